// Sentencepiece models: what opens also encodes and decodes.
#include "src/text/sentencepiece_tokenizer.h"
#include "tests/fuzz/fuzz.h"

namespace usam::fuzz {

std::vector<std::string> seeds() {
  std::vector<std::string> models;
  for (const auto type : {SentencepieceType::kBpe, SentencepieceType::kUnigram, SentencepieceType::kWord}) {
    const auto tokenizer = train_sentencepiece({"ab ba", "aab b"}, {.type = type, .vocab_size = 300});
    const auto folder = std::filesystem::temp_directory_path() / "usam-fuzz-sentencepiece";
    std::filesystem::create_directories(folder);
    tokenizer->save(folder.string());
    std::ifstream in(folder / "tokenizer.model", std::ios::binary);
    models.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    std::filesystem::remove_all(folder);
  }
  return models;
}

void read(std::string_view bytes) {
  static const text::TokenizerFiles kLlama = {
      {"tokenizer_config.json", R"({"tokenizer_class":"LlamaTokenizer","bos_token":"<s>","eos_token":"</s>"})"}};
  for (const auto& files : {text::TokenizerFiles{}, kLlama}) {
    const auto tokenizer = open_sentencepiece(std::string(bytes), "folder/tokenizer.model", files);
    for (const char* text : {"", "ab <s>a\n b", "\u00e9\u4e2d 123"})
      tokenizer->decode(tokenizer->encode(text, Specials::kParse));
  }
}

}  // namespace usam::fuzz
