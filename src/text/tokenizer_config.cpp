#include "src/text/tokenizer_config.h"

#include <filesystem>

#include "src/base/error.h"

namespace usam {

namespace fs = std::filesystem;

void describe(Fields& f, TokenizerConfig& c) {
  f("path", c.path, "folder that holds tokenizer.model, or that file").must_exist();
  f("train", c.train, "train a sentencepiece tokenizer from the labels and prompts of the training data");
  f.from_scalar("path");
  f.rule([&c]() -> std::string {
    if (c.path.empty() == c.train.has_value()) return "";
    return c.train ? "A tokenizer has either `path` or `train`, not both." : "A tokenizer needs `path` or `train`.";
  });
}

std::shared_ptr<Tokenizer> open_tokenizer(const std::string& path) {
  if (!fs::exists(path)) user_error("{}: there is no such file or folder to read a tokenizer from.", path);
  if (!fs::is_directory(path)) {
    if (fs::path(path).extension() == ".json")
      user_error("{}: tokenizers in tokenizer.json format come with a later release; give a sentencepiece model.",
                 path);
    return open_sentencepiece(path);
  }
  const fs::path model = fs::path(path) / "tokenizer.model";
  if (fs::exists(model)) return open_sentencepiece(model.string());
  if (fs::exists(fs::path(path) / "tokenizer.json"))
    user_error(
        "{}: the folder holds a tokenizer.json but no tokenizer.model. Tokenizers in tokenizer.json format come with a "
        "later release; sentencepiece models (tokenizer.model) are supported.",
        path);
  user_error("{}: the folder holds no tokenizer.model.", path);
}

std::shared_ptr<Tokenizer> make_tokenizer(const TokenizerConfig& config, const std::vector<std::string>& texts) {
  return config.train ? train_sentencepiece(texts, *config.train) : open_tokenizer(config.path.value);
}

}  // namespace usam
