#include <istream>
#include <ostream>

#include "src/base/error.h"
#include "src/base/json.h"
#include "src/text/tokenizer_config.h"
#include "tools/inspect/commands.h"

namespace usam::inspect {
namespace {

std::string text_of(const std::string& line, int64_t number) {
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("text") || !json["text"].is_string())
    user_error(R"(Line {} of standard input is not a JSON object like {{"text": "..."}}.)", number);
  return json["text"].get<std::string>();
}

}  // namespace

int tokens(const std::string& tokenizer_folder, std::istream& in, std::ostream& out) {
  const auto tokenizer = open_tokenizer(tokenizer_folder);
  std::string line;
  for (int64_t number = 1; std::getline(in, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const auto ids = tokenizer->encode(text_of(line, number), Specials::kParse);
    const Json answer = {{"ids", ids},
                         {"decoded", tokenizer->decode(ids, SpecialText::kKept)},
                         {"decoded_skip_special", tokenizer->decode(ids)}};
    // Flushed line by line: whoever talks to this program through pipes waits for the answer.
    out << to_line(answer) << std::endl;
  }
  return 0;
}

}  // namespace usam::inspect
