#include "src/io/safetensors.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <unordered_map>

#include "src/base/error.h"
#include "src/base/fs.h"
#include "src/base/json.h"
#include "src/io/safetensors_header.h"

static_assert(std::endian::native == std::endian::little, "safetensors is little-endian and is mapped as it is");

namespace usam::io {
namespace {

// A whole file, mapped copy-on-write: weights may be used where they are, and whoever writes to them gets a copy.
class Mapping {
 public:
  explicit Mapping(const std::string& path) {
    const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) user_error("{}: cannot open the file: {}", path, std::strerror(errno));
    struct stat info{};
    const bool is_file = fstat(descriptor, &info) == 0 && S_ISREG(info.st_mode);
    size_ = is_file ? static_cast<size_t>(info.st_size) : 0;
    if (size_ > 0) bytes_ = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, descriptor, 0);
    const int error = errno;
    close(descriptor);
    if (!is_file) user_error("{}: this is not a file", path);
    if (bytes_ == MAP_FAILED) user_error("{}: cannot map the file: {}", path, std::strerror(error));
  }
  ~Mapping() {
    if (bytes_ != nullptr && bytes_ != MAP_FAILED) munmap(bytes_, size_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  char* bytes() const { return static_cast<char*>(bytes_); }
  size_t size() const { return size_; }

 private:
  void* bytes_ = nullptr;
  size_t size_ = 0;
};

// torch takes any byte for a bool but computes nonsense with one that is neither 0 nor 1.
void check_bool(const std::string& path, const std::string& name, const char* bytes, size_t count) {
  if (std::any_of(bytes, bytes + count, [](char byte) { return byte != 0 && byte != 1; }))
    user_error("{}: tensor '{}' is BOOL but holds bytes other than 0 and 1", path, name);
}

}  // namespace

struct SafetensorsFile::State {
  explicit State(const std::string& file) : path(file), mapping(file) {}
  std::string path;
  Mapping mapping;
  char* data = nullptr;
  SafetensorsHeader header;
  std::vector<std::string> names;
  std::unordered_map<std::string, size_t> index;
};

SafetensorsFile::SafetensorsFile(const std::string& path) : state_(std::make_shared<State>(path)) {
  auto& state = *state_;
  uint64_t length = 0;
  if (state.mapping.size() < sizeof length)
    user_error("{}: the file has {} bytes, too few for a safetensors file", path, state.mapping.size());
  std::memcpy(&length, state.mapping.bytes(), sizeof length);
  if (length > kMaxSafetensorsHeader)
    user_error("{}: this is not a safetensors file (its header would have {} bytes; at most {} are allowed)", path,
               length, kMaxSafetensorsHeader);
  const uint64_t rest = state.mapping.size() - sizeof length;
  if (length > rest)
    user_error("{}: the header has {} bytes but the file ends after {}; it is truncated, copy it again", path, length,
               rest);
  state.header = parse_safetensors_header(path, {state.mapping.bytes() + sizeof length, length}, rest - length);
  state.data = state.mapping.bytes() + sizeof length + length;
  for (const auto& tensor : state.header.tensors) {
    state.index[tensor.name] = state.names.size();
    state.names.push_back(tensor.name);
  }
}

const std::vector<std::string>& SafetensorsFile::names() const {
  return state_->names;
}

bool SafetensorsFile::contains(const std::string& name) const {
  return state_->index.count(name) > 0;
}

const Metadata& SafetensorsFile::metadata() const {
  return state_->header.metadata;
}

const std::string& SafetensorsFile::path() const {
  return state_->path;
}

const TensorEntry& SafetensorsFile::entry(const std::string& name) const {
  auto found = state_->index.find(name);
  if (found == state_->index.end()) user_error("{}: there is no tensor '{}' in the file", path(), name);
  return state_->header.tensors[found->second];
}

torch::Tensor SafetensorsFile::get(const std::string& name) const {
  const TensorEntry& tensor = entry(name);
  const size_t count = tensor.end - tensor.begin;
  if (count == 0) return torch::empty(tensor.shape, tensor.dtype);
  char* bytes = state_->data + tensor.begin;
  if (tensor.dtype == torch::kBool) check_bool(path(), name, bytes, count);
  if (reinterpret_cast<uintptr_t>(bytes) % c10::elementSize(tensor.dtype) != 0) {
    auto copy = torch::empty(tensor.shape, tensor.dtype);  // the format allows a misaligned tensor, a processor may not
    std::memcpy(copy.data_ptr(), bytes, count);
    return copy;
  }
  return torch::from_blob(bytes, tensor.shape, [state = state_](void*) {}, tensor.dtype);
}

void SafetensorsFile::drop(const std::string& name) const {
  const TensorEntry& tensor = entry(name);
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<uintptr_t>(state_->data) + tensor.begin;
  // Whole pages only: those at the ends also hold bytes of the neighbours.
  const uintptr_t first = (begin + page - 1) / page * page, last = (begin + (tensor.end - tensor.begin)) / page * page;
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

namespace {

std::vector<const NamedTensors::value_type*> file_order(const std::string& path, const NamedTensors& tensors) {
  std::vector<const NamedTensors::value_type*> order;
  for (const auto& entry : tensors) {
    if (entry.first == "__metadata__" || safetensors_dtype_name(entry.second.scalar_type()).empty())
      internal_error("{}: tensor '{}' of dtype {} cannot be stored", path, entry.first,
                     toString(entry.second.scalar_type()));
    order.push_back(&entry);
  }
  std::sort(order.begin(), order.end(), [](auto* a, auto* b) {
    return std::pair(-static_cast<int64_t>(a->second.element_size()), std::string_view(a->first)) <
           std::pair(-static_cast<int64_t>(b->second.element_size()), std::string_view(b->first));
  });
  return order;
}

std::string header_text(const std::string& path, const std::vector<const NamedTensors::value_type*>& order,
                        const Metadata& metadata) {
  nlohmann::json header = nlohmann::json::object();  // sorted keys: the same tensors make the same bytes
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t begin = 0;
  for (const auto* entry : order) {
    const auto& [name, tensor] = *entry;
    if (header.contains(name)) internal_error("{}: tensor '{}' was given twice", path, name);
    const uint64_t end = begin + static_cast<uint64_t>(tensor.numel() * tensor.element_size());
    header[name] = {{"dtype", safetensors_dtype_name(tensor.scalar_type())},
                    {"shape", tensor.sizes().vec()},
                    {"data_offsets", {begin, end}}};
    begin = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // so that the data is aligned; the first eight bytes are the length
  if (text.size() > kMaxSafetensorsHeader) internal_error("{}: the header would have {} bytes", path, text.size());
  return text;
}

}  // namespace

void write_safetensors(const std::string& path, const NamedTensors& tensors, const Metadata& metadata) {
  torch::NoGradGuard no_grad;
  const auto order = file_order(path, tensors);
  const std::string header = header_text(path, order, metadata);
  const uint64_t length = header.size();
  AtomicFile file(path);
  file.write({reinterpret_cast<const char*>(&length), sizeof length});
  file.write(header);
  for (const auto* entry : order) {
    const auto on_host = entry->second.detach().to(torch::kCPU).resolve_neg().contiguous();  // one at a time
    file.write({static_cast<const char*>(on_host.data_ptr()), on_host.nbytes()});
  }
  file.commit();
}

}  // namespace usam::io
