// Chat templates equal to transformers' apply_chat_template (make_tokenizers.py).
#include "src/base/json.h"
#include "src/text/chat_template.h"
#include "src/text/tokenizer_config.h"
#include "src/text/unicode.h"
#include "tests/support.h"

namespace usam {
namespace {

using Ids = std::vector<int64_t>;

ChatConfig config_of(const Json& line) {
  static const std::map<std::string, ChatTemplate> kinds = {{"llama2", ChatTemplate::kLlama2},
                                                            {"llama3", ChatTemplate::kLlama3},
                                                            {"qwen", ChatTemplate::kQwen},
                                                            {"vicuna", ChatTemplate::kVicuna}};
  ChatConfig config;
  config.kind = kinds.at(line["template"].get<std::string>());
  if (!line["system"].is_null()) config.system = line["system"].get<std::string>();
  return config;
}

TEST(ChatParity, TextsAndIds) {
  USAM_NEEDS_ORACLES();
  const auto root = test::oracle_folder() / "tokenizers";
  std::ifstream in(root / "chat.jsonl");
  int count = 0;
  for (std::string row; std::getline(in, row); ++count) {
    const Json line = Json::parse(row);
    const auto tokenizer = open_tokenizer((root / line["folder"].get<std::string>()).string());
    const Chat chat(config_of(line), *tokenizer);
    const auto user = line["user"].get<std::string>();
    if (text::strip(user) == user) {
      EXPECT_EQ(chat.frame().before + user + chat.frame().after, line["text"].get<std::string>());
    }
    const auto slot = user.find("<audio>");
    EXPECT_EQ(chat.left(user.substr(0, slot)), line["left"].get<Ids>()) << line["text"];
    EXPECT_EQ(chat.right(user.substr(slot + 7)), line["right"].get<Ids>()) << line["text"];
  }
  EXPECT_EQ(count, 32);
}

}  // namespace
}  // namespace usam
