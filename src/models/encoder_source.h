#pragma once
// Where an encoder's sizes come from; shared by the encoders' configs.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "src/base/config.h"
#include "src/base/json.h"
#include "src/models/model_source.h"

namespace usam {

// The sizes that every encoder has and that `init: random` needs.
struct EncoderShape {
  std::optional<int64_t> width, layers, heads, ffn;
};

// Lists the source's and the shape's keys, with the rule below.
void describe_encoder(Fields& f, ModelSource& source, EncoderShape& shape);
// What is wrong with them: as source_problem(), or sizes that are missing or do not go together; else "".
std::string encoder_problem(const ModelSource& source, const EncoderShape& shape);
// Values of the transformer that a shape describes, at least: see open_weights().
double encoder_values(int64_t width, int64_t layers, int64_t ffn);

// Reads a model's sizes out of a folder's JSON file and holds them against those written in the config. Problems are
// collected; finish() reports them together.
class FolderSizes {
 public:
  // Opens `file` of the folder, or the map `section` in it. UserError when it is absent or malformed.
  FolderSizes(const std::string& folder, const std::string& file, const std::string& section = "");
  // The front end's settings: preprocessor_config.json, or their section of the processor_config.json that takes its
  // place in some folders.
  static FolderSizes front_end(const std::string& folder);
  static bool has_front_end(const std::string& folder);
  // UserError unless model_type is one of `types`.
  void expect_model_type(const std::vector<std::string>& types);
  // The value of `json_key`; a problem when it is absent (without fallback) or of another type, or when the config's
  // `key` was written and differs. A JSON null counts as absent.
  int64_t size(const std::string& json_key, const std::string& key, const std::optional<int64_t>& written,
               std::optional<int64_t> fallback = {});
  bool flag(const std::string& json_key, const std::string& key, const std::optional<bool>& written,
            std::optional<bool> fallback = {});
  std::vector<int64_t> sizes(const std::string& json_key);
  // A problem when `json_key` is there and holds another value than usam's model is built for; null: none at all.
  void require(const std::string& json_key, const Json& value);
  bool has(const std::string& json_key) const;
  double number(const std::string& json_key, double fallback);
  std::string text(const std::string& json_key, const std::vector<std::string>& allowed);
  // A problem unless `parts` ("heads") divide the width.
  void check_division(int64_t width, int64_t parts, const std::string& what = "heads");
  // Adds a problem of the caller's own.
  void problem(const std::string& sentence) { problems_.push_back(sentence); }
  const std::string& path() const { return path_; }
  // Throws UserError with all problems, a line each.
  void finish() const;

 private:
  const Json* find(const std::string& json_key) const;
  template <class T>
  void compare(const std::string& json_key, const std::string& key, const std::optional<T>& written, const T& value);

  std::string path_;
  Json json_;
  std::vector<std::string> problems_;
};

}  // namespace usam
