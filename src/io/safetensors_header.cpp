#include "src/io/safetensors_header.h"

#include <algorithm>
#include <limits>
#include <unordered_set>

#include "src/base/error.h"
#include "src/base/json.h"

namespace usam::io {
namespace {

constexpr std::pair<const char*, torch::ScalarType> kDtypes[] = {
    {"F64", torch::kDouble}, {"F32", torch::kFloat}, {"F16", torch::kHalf},  {"BF16", torch::kBFloat16},
    {"I64", torch::kLong},   {"I32", torch::kInt},   {"I16", torch::kShort}, {"I8", torch::kChar},
    {"U8", torch::kByte},    {"BOOL", torch::kBool},
};

// Receives the header's JSON token by token. The grammar is small: {"__metadata__": {text: text}, name: {"dtype": text,
// "shape": [n...], "data_offsets": [n, n]}}, so that anything else is refused where it stands.
class HeaderReader final : public nlohmann::json_sax<Json> {
 public:
  explicit HeaderReader(const std::string& path) : path_(path) {}

  SafetensorsHeader header;

  bool start_object(std::size_t) override {
    if (level_ == Level::kStart) {
      level_ = Level::kTop;
    } else if (level_ == Level::kTop && name_ == "__metadata__") {
      level_ = Level::kMetadata;
    } else if (level_ == Level::kTop) {
      level_ = Level::kTensor;
      tensor_ = {};
      tensor_.name = name_;
      has_dtype_ = has_shape_ = has_offsets_ = false;
    } else {
      refuse("an object");
    }
    return true;
  }

  bool end_object() override {
    if (level_ == Level::kTensor) {
      if (!has_dtype_) missing("dtype");
      if (!has_shape_) missing("shape");
      if (!has_offsets_) missing("data_offsets");
      header.tensors.push_back(std::move(tensor_));
    }
    level_ = level_ == Level::kTop ? Level::kDone : Level::kTop;
    return true;
  }

  bool key(std::string& text) override {
    if (level_ == Level::kTop) {
      if (!seen_.insert(text).second) user_error("{}: tensor '{}' stands twice in the header", path_, text);
      name_ = text;
    } else if (level_ == Level::kTensor) {
      if (text != "dtype" && text != "shape" && text != "data_offsets")
        user_error("{}: tensor '{}' has the unknown field '{}'", path_, name_, text);
      field_ = text;
      if (text == "dtype" ? has_dtype_ : text == "shape" ? has_shape_ : has_offsets_)
        user_error("{}: tensor '{}' has the field '{}' twice", path_, name_, text);
    } else {
      if (header.metadata.count(text)) user_error("{}: the metadata key '{}' stands twice in the header", path_, text);
      field_ = text;
    }
    return true;
  }

  bool string(std::string& text) override {
    if (level_ == Level::kMetadata) {
      header.metadata[field_] = text;
    } else if (level_ == Level::kTensor && field_ == "dtype") {
      set_dtype(text);
    } else {
      refuse("a string");
    }
    return true;
  }

  bool start_array(std::size_t) override {
    if (level_ != Level::kTensor || field_ == "dtype") refuse("a list");
    level_ = Level::kList;
    return true;
  }

  bool end_array() override {
    level_ = Level::kTensor;
    if (field_ == "shape") {
      has_shape_ = true;
    } else {
      if (offsets_.size() != 2)
        user_error("{}: data_offsets of tensor '{}' has {} numbers instead of 2", path_, name_, offsets_.size());
      tensor_.begin = offsets_[0];
      tensor_.end = offsets_[1];
      offsets_.clear();
      has_offsets_ = true;
    }
    return true;
  }

  bool number_unsigned(number_unsigned_t value) override {
    if (level_ != Level::kList) refuse("a number");
    if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) refuse("an over-large number");
    if (field_ == "shape") {
      tensor_.shape.push_back(static_cast<int64_t>(value));
    } else {
      offsets_.push_back(value);
    }
    return true;
  }

  bool number_integer(number_integer_t) override { return refuse("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { return refuse("a number that is not whole"); }
  bool null() override { return refuse("null"); }
  bool boolean(bool) override { return refuse("true or false"); }
  bool binary(binary_t&) override { return refuse("binary data"); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) override {
    user_error("{}: the header is not valid JSON in UTF-8 (at byte {} of the header)", path_, position);
  }

 private:
  enum class Level { kStart, kTop, kMetadata, kTensor, kList, kDone };

  bool refuse(const char* what) const {
    if (level_ == Level::kStart) user_error("{}: the header is {} instead of an object", path_, what);
    if (level_ == Level::kTop) user_error("{}: '{}' in the header is {} instead of an object", path_, name_, what);
    if (level_ == Level::kMetadata)
      user_error("{}: the metadata key '{}' holds {} instead of a string", path_, field_, what);
    user_error("{}: {} of tensor '{}' holds {}", path_, field_, name_, what);
  }
  void missing(const char* field) const { user_error("{}: tensor '{}' has no {}", path_, name_, field); }

  void set_dtype(const std::string& text) {
    auto found = std::find_if(std::begin(kDtypes), std::end(kDtypes), [&](auto& d) { return d.first == text; });
    if (found == std::end(kDtypes))
      user_error("{}: tensor '{}' has dtype '{}'; usam reads F64, F32, F16, BF16, I64, I32, I16, I8, U8 and BOOL",
                 path_, name_, text);
    tensor_.dtype = found->second;
    has_dtype_ = true;
  }

  const std::string& path_;
  Level level_ = Level::kStart;
  std::string name_, field_;
  TensorEntry tensor_;
  std::vector<uint64_t> offsets_;
  bool has_dtype_ = false, has_shape_ = false, has_offsets_ = false;
  std::unordered_set<std::string> seen_;
};

// Bytes that shape and dtype ask for; a zero axis does not excuse an overflow in the others (strides are products too).
uint64_t wanted_bytes(const std::string& path, const TensorEntry& tensor) {
  uint64_t product = c10::elementSize(tensor.dtype);
  bool is_empty = false;
  for (int64_t size : tensor.shape) {
    is_empty |= size == 0;
    if (__builtin_mul_overflow(product, static_cast<uint64_t>(std::max<int64_t>(size, 1)), &product) ||
        product > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
      user_error("{}: the shape of tensor '{}' overflows", path, tensor.name);
  }
  return is_empty ? 0 : product;
}

void check_layout(const std::string& path, const std::vector<TensorEntry>& tensors, uint64_t data_size) {
  uint64_t expected = 0;
  for (const auto& tensor : tensors) {
    if (tensor.end < tensor.begin)
      user_error("{}: tensor '{}' ends (byte {}) before it begins (byte {})", path, tensor.name, tensor.end,
                 tensor.begin);
    if (tensor.end > data_size)
      user_error("{}: tensor '{}' ends at byte {} but the file holds {} bytes of data; it is truncated, copy it again",
                 path, tensor.name, tensor.end, data_size);
    if (tensor.begin != expected)
      user_error("{}: {} before tensor '{}', which begins at byte {} instead of {}", path,
                 tensor.begin < expected ? "two tensors overlap" : "there is a gap", tensor.name, tensor.begin,
                 expected);
    const uint64_t wanted = wanted_bytes(path, tensor);
    if (tensor.end - tensor.begin != wanted)
      user_error("{}: tensor '{}' has {} bytes but its shape and dtype ask for {}", path, tensor.name,
                 tensor.end - tensor.begin, wanted);
    expected = tensor.end;
  }
  if (expected != data_size)
    user_error("{}: {} bytes after the last tensor belong to none", path, data_size - expected);
}

}  // namespace

std::string safetensors_dtype_name(torch::ScalarType dtype) {
  for (const auto& [name, type] : kDtypes)
    if (type == dtype) return name;
  return "";
}

SafetensorsHeader parse_safetensors_header(const std::string& path, std::string_view json, uint64_t data_size) {
  // The JSON lexer takes a zero byte for the end of its input, and so would not see what follows one.
  if (json.empty() || json.front() != '{' || json.find('\0') != json.npos)
    user_error("{}: this is not a safetensors file (no JSON header after the length)", path);
  HeaderReader reader(path);
  Json::sax_parse(json.begin(), json.end(), &reader);
  auto& tensors = reader.header.tensors;
  std::stable_sort(tensors.begin(), tensors.end(), [](const TensorEntry& a, const TensorEntry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  check_layout(path, tensors, data_size);
  return std::move(reader.header);
}

}  // namespace usam::io
