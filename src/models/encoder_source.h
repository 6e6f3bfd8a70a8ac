#pragma once
// Where an encoder's weights and sizes come from; shared by the encoders' configs.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "src/base/config.h"
#include "src/base/json.h"

namespace usam {

enum class EncoderInit { kPretrained, kRandom };

// The keys `path` and `init` of an encoder: a Hugging Face folder, or random values with sizes in the config.
struct EncoderSource {
  Path path;
  EncoderInit init = EncoderInit::kPretrained;
  bool is_random() const { return init == EncoderInit::kRandom; }
};

// The sizes that every encoder has and that `init: random` needs.
struct EncoderShape {
  std::optional<int64_t> width, layers, heads, ffn;
};

// Lists `path`, `init` and the shape's keys, with the rule below.
void describe_source(Fields& f, EncoderSource& source, EncoderShape& shape);
// What is wrong with them: weights named twice or not at all, sizes that are missing or do not go together; else "".
std::string source_problem(const EncoderSource& source, const EncoderShape& shape);

// Reads a model's sizes out of a folder's JSON file and holds them against those written in the config. Problems are
// collected; finish() reports them together.
class FolderSizes {
 public:
  // Opens `file` of the folder. UserError when it is absent or malformed.
  FolderSizes(std::string folder, std::string file);
  // UserError unless model_type is one of `types`.
  void expect_model_type(const std::vector<std::string>& types);
  // The value of `json_key`; a problem when it is absent (without fallback) or of another type, or when the config's
  // `key` was written and differs. A JSON null counts as absent.
  int64_t size(const std::string& json_key, const std::string& key, const std::optional<int64_t>& written,
               std::optional<int64_t> fallback = {});
  bool flag(const std::string& json_key, const std::string& key, const std::optional<bool>& written,
            std::optional<bool> fallback = {});
  std::vector<int64_t> sizes(const std::string& json_key);
  // A problem when `json_key` is there and holds another value than usam's model is built for.
  void require(const std::string& json_key, const Json& value);
  bool has(const std::string& json_key) const;
  double number(const std::string& json_key, double fallback);
  std::string text(const std::string& json_key, const std::vector<std::string>& allowed);
  // A problem unless the heads divide the width.
  void check_heads(int64_t width, int64_t heads);
  // Adds a problem of the caller's own.
  void problem(const std::string& sentence) { problems_.push_back(sentence); }
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
