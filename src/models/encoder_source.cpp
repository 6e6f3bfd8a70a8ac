#include "src/models/encoder_source.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>

#include "src/base/error.h"
#include "src/io/weights.h"

namespace usam {

namespace {

constexpr int64_t kLargest = int64_t{1} << 30;  // of a size: products of two do not overflow

const char* const kPreprocessor = "preprocessor_config.json";
const char* const kProcessor = "processor_config.json";

}  // namespace

void describe_encoder(Fields& f, ModelSource& source, EncoderShape& shape) {
  describe_source(f, source);
  f("width", shape.width, "width of the states (init: random)").at_least(1);
  f("layers", shape.layers, "transformer blocks (init: random)").at_least(1);
  f("heads", shape.heads, "attention heads (init: random)").at_least(1);
  f("ffn", shape.ffn, "hidden width of the feed-forward part (init: random; default 4 x width)").at_least(1);
  f.rule([&source, &shape] { return encoder_problem(source, shape); });
}

std::string encoder_problem(const ModelSource& source, const EncoderShape& shape) {
  if (auto problem = source_problem(source, "an encoder"); !problem.empty() || !source.is_random()) return problem;
  if (!shape.width || !shape.layers || !shape.heads) return "'init: random' needs the sizes width, layers and heads";
  if (*shape.width % *shape.heads != 0)
    return fmt::format("'width' ({}) must be a multiple of 'heads' ({})", *shape.width, *shape.heads);
  return "";
}

double encoder_values(int64_t width, int64_t layers, int64_t ffn) {
  const auto wide = static_cast<double>(width);
  return static_cast<double>(layers) * wide * (4 * wide + 2 * static_cast<double>(ffn));
}

FolderSizes::FolderSizes(const std::string& folder, const std::string& file, const std::string& section)
    : path_((std::filesystem::path(folder) / file).string()), json_(io::read_folder_json(folder, file)) {
  if (!section.empty()) json_ = json_.is_object() ? json_.value(section, Json()) : Json();
  if (!json_.is_object() && section.empty()) user_error("{}: the file is not a JSON object", path_);
  if (!json_.is_object()) user_error("{}: the file has no map '{}'", path_, section);
}

FolderSizes FolderSizes::front_end(const std::string& folder) {
  const std::filesystem::path path = folder;
  if (!std::filesystem::exists(path / kPreprocessor) && std::filesystem::exists(path / kProcessor))
    return {folder, kProcessor, "feature_extractor"};
  return {folder, kPreprocessor};
}

bool FolderSizes::has_front_end(const std::string& folder) {
  const std::filesystem::path path = folder;
  return std::filesystem::exists(path / kPreprocessor) || std::filesystem::exists(path / kProcessor);
}

const Json* FolderSizes::find(const std::string& json_key) const {
  const auto found = json_.find(json_key);
  return found == json_.end() || found->is_null() ? nullptr : &*found;
}

bool FolderSizes::has(const std::string& json_key) const {
  return find(json_key) != nullptr;
}

void FolderSizes::expect_model_type(const std::vector<std::string>& types) {
  const Json* type = find("model_type");
  const std::string got = type && type->is_string() ? type->get<std::string>() : "";
  if (std::find(types.begin(), types.end(), got) == types.end())
    user_error("{}: model_type is '{}', but this encoder reads '{}'; give another folder or another 'type'", path_, got,
               fmt::join(types, "' or '"));
}

template <class T>
void FolderSizes::compare(const std::string& json_key, const std::string& key, const std::optional<T>& written,
                          const T& value) {
  if (written && *written != value)
    problem(
        fmt::format("'{}: {}' contradicts {}, where {} is {}; remove the key", key, *written, path_, json_key, value));
}

int64_t FolderSizes::size(const std::string& json_key, const std::string& key, const std::optional<int64_t>& written,
                          std::optional<int64_t> fallback) {
  const Json* found = find(json_key);
  if (!found && !fallback) problem(fmt::format("{}: the key {} is missing", path_, json_key));
  if (found && !found->is_number_integer()) problem(fmt::format("{}: {} is not a whole number", path_, json_key));
  const int64_t value = found && found->is_number_integer() ? found->get<int64_t>() : fallback.value_or(0);
  if (found && found->is_number_integer() && value < 1)
    problem(fmt::format("{}: {} is {}, but must be positive", path_, json_key, found->dump()));
  if (value > kLargest)
    problem(fmt::format("{}: {} is {}, but must be at most {}", path_, json_key, found->dump(), kLargest));
  compare(json_key, key, written, value);
  return value;
}

bool FolderSizes::flag(const std::string& json_key, const std::string& key, const std::optional<bool>& written,
                       std::optional<bool> fallback) {
  const Json* found = find(json_key);
  if (!found && !fallback) problem(fmt::format("{}: the key {} is missing", path_, json_key));
  if (found && !found->is_boolean()) problem(fmt::format("{}: {} is neither true nor false", path_, json_key));
  const bool value = found && found->is_boolean() ? found->get<bool>() : fallback.value_or(false);
  compare(json_key, key, written, value);
  return value;
}

std::vector<int64_t> FolderSizes::sizes(const std::string& json_key) {
  std::vector<int64_t> values;
  const Json* found = find(json_key);
  if (found && found->is_array())
    for (const auto& value : *found)
      if (value.is_number_integer() && value.get<int64_t>() > 0 && value.get<int64_t>() <= kLargest)
        values.push_back(value.get<int64_t>());
  if (!found || !found->is_array() || values.empty() || values.size() != found->size())
    problem(fmt::format("{}: {} is not a list of positive whole numbers", path_, json_key));
  return values;
}

void FolderSizes::require(const std::string& json_key, const Json& value) {
  const Json* found = find(json_key);
  if (found && *found != value)
    problem(fmt::format("{}: {} is {}, but usam's model has {} only", path_, json_key, found->dump(),
                        value.is_null() ? "none" : value.dump()));
}

double FolderSizes::number(const std::string& json_key, double fallback) {
  const Json* found = find(json_key);
  if (!found) return fallback;
  if (!found->is_number()) problem(fmt::format("{}: {} is not a number", path_, json_key));
  return found->is_number() ? found->get<double>() : fallback;
}

std::string FolderSizes::text(const std::string& json_key, const std::vector<std::string>& allowed) {
  const Json* found = find(json_key);
  const std::string value = found && found->is_string() ? found->get<std::string>() : "";
  if (std::find(allowed.begin(), allowed.end(), value) == allowed.end())
    problem(fmt::format("{}: {} is '{}', but usam's model knows '{}' only", path_, json_key, value,
                        fmt::join(allowed, "' and '")));
  return value;
}

void FolderSizes::check_division(int64_t width, int64_t parts, const std::string& what) {
  if (parts > 0 && width % parts != 0)
    problem(fmt::format("{}: a width of {} cannot be split over {} {}", path_, width, parts, what));
}

void FolderSizes::finish() const {
  if (!problems_.empty()) user_error("{}", fmt::join(problems_, "\n"));
}

}  // namespace usam
