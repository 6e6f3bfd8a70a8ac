#include "src/text/tokenizer_config.h"

#include <filesystem>

#include "src/base/error.h"
#include "src/base/fs.h"
#include "src/text/bpe_tokenizer.h"
#include "src/text/tokenizer_json.h"

namespace usam {

namespace fs = std::filesystem;

namespace {

std::shared_ptr<Tokenizer> open_json_file(const std::string& file) {
  const uintmax_t size = fs::file_size(file);
  if (size > text::kMaxTokenizerJson)
    user_error("{}: the file has {} bytes; a tokenizer has at most {}.", file, size, text::kMaxTokenizerJson);
  return open_tokenizer_json(read_file(file), file, text::read_side_files(fs::path(file).parent_path().string()));
}

}  // namespace

void describe(Fields& f, TokenizerConfig& c) {
  f("path", c.path, "folder that holds tokenizer.json or tokenizer.model, or that file").must_exist();
  f("train", c.train, "train a sentencepiece tokenizer from the labels and prompts of the training data");
  f.from_scalar("path");
  f.rule([&c]() -> std::string {
    if (c.path.empty() == c.train.has_value()) return "";
    return c.train ? "A tokenizer has either `path` or `train`, not both." : "A tokenizer needs `path` or `train`.";
  });
}

std::shared_ptr<Tokenizer> open_tokenizer(const std::string& path) {
  if (!fs::exists(path)) user_error("{}: there is no such file or folder to read a tokenizer from.", path);
  if (!fs::is_directory(path))
    return fs::path(path).extension() == ".json" ? open_json_file(path) : open_sentencepiece(path);
  const std::string json = (fs::path(path) / "tokenizer.json").string();
  const std::string model = (fs::path(path) / "tokenizer.model").string();
  if (!fs::exists(json)) {
    if (!fs::exists(model)) user_error("{}: the folder holds neither a tokenizer.json nor a tokenizer.model.", path);
    return open_sentencepiece(model);
  }
  if (!fs::exists(model)) return open_json_file(json);
  try {
    return open_json_file(json);
  } catch (const text::UnsupportedTokenizer&) {
    return open_sentencepiece(model);
  }
}

std::shared_ptr<Tokenizer> make_tokenizer(const TokenizerConfig& config, const std::vector<std::string>& texts) {
  return config.train ? train_sentencepiece(texts, *config.train) : open_tokenizer(config.path.value);
}

}  // namespace usam
