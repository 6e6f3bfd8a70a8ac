#include "src/text/normalizer.h"

#include <algorithm>

#include "src/base/error.h"
#include "src/base/fs.h"
#include "src/base/json.h"
#include "src/base/text.h"
#include "src/text/english_numbers.h"
#include "src/text/regex.h"
#include "src/text/unicode.h"

namespace usam::text {
namespace {

// White space as Python's \s has it: PCRE2's lacks the four separators.
constexpr const char* kSpace = R"([\s\x1c-\x1f])";

const std::string& collapsed(std::string& text) {
  static const Regex spaces(std::string(kSpace) + "+");
  return text = spaces.replace(text, " ");
}

// Lower case, without stretches in <>, [] and ().
std::string lower_without_brackets(std::string_view text) {
  static const Regex brackets(R"([<\[][^>\]]*[>\]])"), parentheses(R"(\(([^)]+?)\))");
  return parentheses.replace(brackets.replace(lower(text), ""), "");
}

// Marks, symbols and punctuation become spaces.
std::string symbols_as_spaces(std::string_view text) {
  std::u32string points = code_points(nfkc(text));
  for (char32_t& point : points)
    if (is_mark_symbol_or_punctuation(point)) point = U' ';
  return to_utf8(points);
}

// Letters that have no decomposition into a plain letter and a mark.
std::u32string_view plain_spelling(char32_t point) {
  switch (point) {
    case U'œ':
      return U"oe";
    case U'Œ':
      return U"OE";
    case U'ø':
      return U"o";
    case U'Ø':
      return U"O";
    case U'æ':
      return U"ae";
    case U'Æ':
      return U"AE";
    case U'ß':
      return U"ss";
    case U'ẞ':
      return U"SS";
    case U'đ':
    case U'ð':
      return U"d";
    case U'Đ':
    case U'Ð':
      return U"D";
    case U'þ':
    case U'Þ':
      return U"th";
    case U'ł':
      return U"l";
    case U'Ł':
      return U"L";
    default:
      return {};
  }
}

// Letters without their accents; other marks, symbols and punctuation become spaces, save those in `kept`.
std::string plain_letters(std::string_view text, std::u32string_view kept) {
  std::u32string plain;
  for (char32_t point : code_points(nfkd(text))) {
    if (kept.find(point) != std::u32string_view::npos) {
      plain += point;
    } else if (const auto spelling = plain_spelling(point); !spelling.empty()) {
      plain += spelling;
    } else if (!is_nonspacing_mark(point)) {
      plain += is_mark_symbol_or_punctuation(point) ? U' ' : point;
    }
  }
  return to_utf8(plain);
}

class None final : public Normalizer {
 public:
  std::string operator()(std::string_view text) const override { return std::string(text); }
  std::string stamp() const override { return "none/1"; }
};

// Source: BasicTextNormalizer of openai/whisper (whisper/normalizers/basic.py).
class Basic final : public Normalizer {
 public:
  explicit Basic(bool letters) : letters_(letters) {}
  std::string operator()(std::string_view text) const override {
    const std::string bare = lower_without_brackets(text);
    std::string result = lower(letters_ ? plain_letters(bare, {}) : symbols_as_spaces(bare));
    if (letters_) {
      static const Regex letter(R"((?s)\X)");
      std::string spaced;
      for (const std::string& l : letter.find_all(result)) spaced += (spaced.empty() ? "" : " ") + l;
      result = spaced;
    }
    return collapsed(result);
  }
  std::string stamp() const override { return letters_ ? "basic_letters/1" : "basic/1"; }

 private:
  bool letters_;
};

struct Rewrite {
  Regex pattern;
  std::string replacement;
};

// Spoken contractions and written abbreviations, in the order in which they apply.
const std::vector<Rewrite>& english_rewrites() {
  static const std::vector<Rewrite> rewrites = [] {
    std::vector<Rewrite> list;
    const auto whole_words = [&list](const std::vector<std::pair<const char*, const char*>>& pairs, const char* after) {
      for (const auto& [from, to] : pairs)
        list.push_back({Regex(std::string("\\b") + from + "\\b"), std::string(to) + after});
    };
    const auto endings = [&list](const std::vector<std::pair<const char*, const char*>>& pairs) {
      for (const auto& [from, to] : pairs) list.push_back({Regex(std::string(from) + "\\b"), std::string(" ") + to});
    };
    whole_words({{"won't", "will not"},
                 {"can't", "can not"},
                 {"let's", "let us"},
                 {"ain't", "aint"},
                 {"y'all", "you all"},
                 {"wanna", "want to"},
                 {"gotta", "got to"},
                 {"gonna", "going to"},
                 {"i'ma", "i am going to"},
                 {"imma", "i am going to"},
                 {"woulda", "would have"},
                 {"coulda", "could have"},
                 {"shoulda", "should have"},
                 {"ma'am", "madam"}},
                "");
    whole_words({{"mr", "mister"},      {"mrs", "missus"},    {"st", "saint"},           {"dr", "doctor"},
                 {"prof", "professor"}, {"capt", "captain"},  {"gov", "governor"},       {"ald", "alderman"},
                 {"gen", "general"},    {"sen", "senator"},   {"rep", "representative"}, {"pres", "president"},
                 {"rev", "reverend"},   {"hon", "honorable"}, {"asst", "assistant"},     {"assoc", "associate"},
                 {"lt", "lieutenant"},  {"col", "colonel"},   {"jr", "junior"},          {"sr", "senior"},
                 {"esq", "esquire"}},
                " ");
    endings({{"'d been", "had been"},
             {"'s been", "has been"},
             {"'d gone", "had gone"},
             {"'s gone", "has gone"},
             {"'d done", "had done"},
             {"'s got", "has got"}});
    endings({{"n't", "not"},
             {"'re", "are"},
             {"'s", "is"},
             {"'d", "would"},
             {"'ll", "will"},
             {"'t", "not"},
             {"'ve", "have"},
             {"'m", "am"}});
    return list;
  }();
  return rewrites;
}

// Source: EnglishTextNormalizer of openai/whisper (whisper/normalizers/english.py).
class WhisperEnglish final : public Normalizer {
 public:
  explicit WhisperEnglish(SpellingTable spelling) : spelling_(std::move(spelling)) {}

  std::string operator()(std::string_view input) const override {
    static const Regex fillers(R"(\b(hmm|mm|mhm|mmm|uh|um)\b)"), loose_apostrophe(std::string(kSpace) + "+'"),
        digit_comma(R"((\d),(\d))"), full_stop(R"(\.([^0-9]|$))"), loose_symbol(R"([.$¢€£]([^0-9]))"),
        loose_percent(R"(([^0-9])%)");
    std::string text = loose_apostrophe.replace(fillers.replace(lower_without_brackets(input), ""), "'");
    for (const Rewrite& rewrite : english_rewrites()) text = rewrite.pattern.replace(text, rewrite.replacement);
    text = full_stop.replace(digit_comma.replace(text, "${1}${2}"), " ${1}");
    text = american(numbers_as_digits(plain_letters(text, U".%$¢€£")));
    text = loose_percent.replace(loose_symbol.replace(text, " ${1}"), "${1} ");
    return collapsed(text);
  }

  // Without the spelling table results differ, so that is part of the stamp.
  std::string stamp() const override {
    return spelling_.empty() ? "whisper_en/1" : fmt::format("whisper_en/1+{} spellings", spelling_.size());
  }

 private:
  std::string american(const std::string& text) const {
    std::string result;
    for (const std::string& word : split_words(text)) {
      const auto found = spelling_.find(word);
      result += (result.empty() ? "" : " ") + (found == spelling_.end() ? word : found->second);
    }
    return result;
  }

  SpellingTable spelling_;
};

}  // namespace

const std::vector<std::string>& normalizer_names() {
  static const std::vector<std::string> names = {"none", "basic", "basic_letters", "whisper_en"};
  return names;
}

std::string unknown_normalizer(const std::string& name) {
  const auto& names = normalizer_names();
  if (std::find(names.begin(), names.end(), name) != names.end()) return "";
  return fmt::format("There is no normalizer '{}'; there are {}.", name, join_words(names));
}

std::shared_ptr<const Normalizer> make_normalizer(const std::string& name, SpellingTable spelling) {
  if (!spelling.empty() && name != "whisper_en")
    user_error("A spelling table serves the normalizer whisper_en only, not '{}'.", name);
  if (name == "none") return std::make_shared<None>();
  if (name == "basic") return std::make_shared<Basic>(false);
  if (name == "basic_letters") return std::make_shared<Basic>(true);
  if (name == "whisper_en") return std::make_shared<WhisperEnglish>(std::move(spelling));
  user_error("{}", unknown_normalizer(name));
}

SpellingTable read_spelling_table(const std::string& file) {
  const Json json = Json::parse(read_file(file), nullptr, /*allow_exceptions=*/false);
  const char* expected = R"({"colour": "color", ...})";
  if (!json.is_object() || json.empty()) user_error("{}: a spelling table is one JSON object {}.", file, expected);
  SpellingTable table;
  for (const auto& [from, to] : json.items()) {
    if (!to.is_string()) user_error("{}: '{}' does not map to a word; a spelling table is {}.", file, from, expected);
    table[from] = to.get<std::string>();
  }
  return table;
}

}  // namespace usam::text
