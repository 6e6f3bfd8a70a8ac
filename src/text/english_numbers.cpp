#include "src/text/english_numbers.h"

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "src/text/regex.h"
#include "src/text/unicode.h"

// Numbers are decimal strings throughout: every multiplier is a power of ten, so that sums and products are string
// operations and "decillion" cannot overflow.
namespace usam::text {
namespace {

enum class Kind {
  kZero,           // zero, oh, o
  kSmall,          // one ... nineteen
  kSmallSuffixed,  // first, twos
  kTen,            // twenty ... ninety
  kTenSuffixed,    // twentieth, twenties
  kPower,          // hundred, thousand, ...
  kPowerSuffixed,  // hundredth, thousands
  kSign,           // minus, plus: stands before its number
  kCurrency,       // dollars: stands after its number
  kPercent,
  kPer,  // percent written as two words
  kAnd,
  kRepeat,  // double, triple
  kPoint,
};

struct Word {
  Kind kind;
  std::string text;    // digits, or the sign that replaces the word
  std::string suffix;  // st, nd, rd, th, s
  size_t count = 0;    // zeros of a power, repeats of a double
};
using Lexicon = std::map<std::string, Word, std::less<>>;

void add_small(Lexicon& words) {
  const std::vector<std::string> names = {
      "one",    "two",    "three",    "four",     "five",    "six",     "seven",     "eight",    "nine",    "ten",
      "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};
  for (size_t i = 0; i < names.size(); ++i) {
    const std::string digits = std::to_string(i + 1);
    const std::string& name = names[i];
    words[name] = {Kind::kSmall, digits, ""};
    words[name + (name == "six" ? "es" : "s")] = {Kind::kSmallSuffixed, digits, "s"};
    // The reference forms ordinals by rule and so knows "nineth", not "ninth"; so do we, to give its results.
    words[name + (name.back() == 't' ? "h" : "th")] = {Kind::kSmallSuffixed, digits, "th"};
  }
  for (const char* unused : {"oneth", "twoth", "threeth", "fiveth", "twelveth"}) words.erase(unused);
  words["zeroth"] = {Kind::kSmallSuffixed, "0", "th"};
  words["first"] = {Kind::kSmallSuffixed, "1", "st"};
  words["second"] = {Kind::kSmallSuffixed, "2", "nd"};
  words["third"] = {Kind::kSmallSuffixed, "3", "rd"};
  words["fifth"] = {Kind::kSmallSuffixed, "5", "th"};
  words["twelfth"] = {Kind::kSmallSuffixed, "12", "th"};
}

Lexicon make_lexicon() {
  Lexicon words;
  for (const char* name : {"o", "oh", "zero"}) words[name] = {Kind::kZero, "0", ""};
  add_small(words);
  const std::vector<std::string> tens = {"twent", "thirt", "fort", "fift", "sixt", "sevent", "eight", "ninet"};
  for (size_t i = 0; i < tens.size(); ++i) {
    const std::string digits = std::to_string(i + 2) + "0";
    words[tens[i] + "y"] = {Kind::kTen, digits, ""};
    words[tens[i] + "ies"] = {Kind::kTenSuffixed, digits, "s"};
    words[tens[i] + "ieth"] = {Kind::kTenSuffixed, digits, "th"};
  }
  const std::vector<std::pair<std::string, size_t>> powers = {
      {"hundred", 2},     {"thousand", 3},     {"million", 6},      {"billion", 9},
      {"trillion", 12},   {"quadrillion", 15}, {"quintillion", 18}, {"sextillion", 21},
      {"septillion", 24}, {"octillion", 27},   {"nonillion", 30},   {"decillion", 33}};
  for (const auto& [name, zeros] : powers) {
    const std::string digits = "1" + std::string(zeros, '0');
    words[name] = {Kind::kPower, digits, "", zeros};
    words[name + "s"] = {Kind::kPowerSuffixed, digits, "s", zeros};
    words[name + "th"] = {Kind::kPowerSuffixed, digits, "th", zeros};
  }
  for (const char* name : {"minus", "negative"}) words[name] = {Kind::kSign, "-", ""};
  for (const char* name : {"plus", "positive"}) words[name] = {Kind::kSign, "+", ""};
  for (const char* name : {"pound", "pounds"}) words[name] = {Kind::kCurrency, "£", ""};
  for (const char* name : {"euro", "euros"}) words[name] = {Kind::kCurrency, "€", ""};
  for (const char* name : {"dollar", "dollars"}) words[name] = {Kind::kCurrency, "$", ""};
  for (const char* name : {"cent", "cents"}) words[name] = {Kind::kCurrency, "¢", ""};
  words["percent"] = {Kind::kPercent, "%", ""};
  words["per"] = {Kind::kPer, "%", ""};
  words["and"] = {Kind::kAnd, "", ""};
  words["double"] = {Kind::kRepeat, "", "", 2};
  words["triple"] = {Kind::kRepeat, "", "", 3};
  words["point"] = {Kind::kPoint, "", ""};
  return words;
}

const Word* look_up(std::string_view text) {
  static const Lexicon words = make_lexicon();
  const auto found = words.find(text);
  return found == words.end() ? nullptr : &found->second;
}

bool is(const Word* word, Kind kind) {
  return word && word->kind == kind;
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// "12" or "12.5".
bool is_numeric(std::string_view text) {
  const size_t point = text.find('.');
  if (point == std::string_view::npos) return all_digits(text);
  return all_digits(text.substr(0, point)) && all_digits(text.substr(point + 1));
}

// The sign or currency symbol that a text starts with, or "".
std::string_view leading_symbol(std::string_view text) {
  for (std::string_view symbol : {"-", "+", "£", "€", "$", "¢"})
    if (text.starts_with(symbol)) return symbol;
  return "";
}

std::string without_leading_zeros(const std::string& digits) {
  const size_t first = digits.find_first_not_of('0');
  return first == std::string::npos ? "0" : digits.substr(first);
}

std::string sum(std::string a, std::string b) {
  if (a.size() < b.size()) std::swap(a, b);
  b.insert(0, a.size() - b.size(), '0');
  int carry = 0;
  for (size_t i = a.size(); i-- > 0;) {
    const int digit = (a[i] - '0') + (b[i] - '0') + carry;
    a[i] = static_cast<char>('0' + digit % 10);
    carry = digit / 10;
  }
  if (carry) a.insert(0, 1, '1');
  return without_leading_zeros(a);
}

// The last three digits of an integer times 10^zeros, plus the rest: "5300" thousands -> "305000".
std::string scaled(const std::string& integer, size_t zeros) {
  const size_t low = std::min<size_t>(3, integer.size());
  const std::string high = integer.substr(0, integer.size() - low) + std::string(low, '0');
  return sum(high, integer.substr(integer.size() - low) + std::string(zeros, '0'));
}

// A decimal ("3.5", ".5", "7.") times 10^zeros where that is an integer.
std::optional<std::string> times_power(std::string_view text, size_t zeros) {
  const size_t point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  std::string_view fraction = point == std::string_view::npos ? "" : text.substr(point + 1);
  if (!all_digits(std::string(whole) + std::string(fraction))) return std::nullopt;
  while (fraction.ends_with('0')) fraction.remove_suffix(1);
  if (fraction.size() > zeros) return std::nullopt;
  return without_leading_zeros(std::string(whole) + std::string(fraction) + std::string(zeros - fraction.size(), '0'));
}

// The number read so far: an integer that can still grow, or digits that only take more digits behind them.
struct Value {
  std::string digits;
  bool is_integer = true;
};

// Reads words one after another and writes what they stand for.
class Reader {
 public:
  explicit Reader(std::vector<std::string> words) : words_(std::move(words)) {}

  std::string read() {
    for (at_ = 0; at_ < words_.size(); ++at_) read_word(words_[at_]);
    if (value_) write_value();
    return written_;
  }

 private:
  const Word* previous() const { return at_ == 0 ? nullptr : look_up(words_[at_ - 1]); }
  const Word* next() const { return at_ + 1 == words_.size() ? nullptr : look_up(words_[at_ + 1]); }
  bool next_is_numeric() const { return at_ + 1 < words_.size() && is_numeric(words_[at_ + 1]); }

  void write(const std::string& text) {
    if (!written_.empty()) written_ += ' ';
    written_ += prefix_ + text;
    prefix_.clear();
    value_.reset();
  }
  void write_value() { write(std::string(value_->digits)); }
  void flush_and_write(const std::string& text) {
    if (value_) write_value();
    write(text);
  }
  // The value's digits as a string that more can be hung on; an integer 0 counts as nothing, as in the reference.
  std::string digits_so_far() const {
    return !value_ || (value_->is_integer && value_->digits == "0") ? "" : value_->digits;
  }
  void become_digits(std::string digits) { value_ = Value{std::move(digits), false}; }

  void read_word(const std::string& text);
  void read_arabic(const std::string& text, std::string_view symbol);
  void read_power(const Word& word);
  void read_power_suffixed(const Word& word);
  void read_per(const std::string& text);
  void read_connective(const std::string& text, const Word& word);
  Value joined_with_small(const std::string& digits) const;
  Value joined_with_ten(const std::string& digits) const;
  Value added_or_appended(const std::string& digits, size_t free_digits) const;

  std::vector<std::string> words_;
  size_t at_ = 0;
  std::optional<Value> value_;
  std::string prefix_;
  std::string written_;
};

// The integer with its last digits replaced where they are `free_digits` zeros, else the two side by side.
Value Reader::added_or_appended(const std::string& digits, size_t free_digits) const {
  const std::string& old = value_->digits;
  if (old == "0") return {digits, true};
  const size_t zeros = old.size() - 1 - old.find_last_not_of('0');
  if (zeros < free_digits) return {old + digits, false};
  return {old.substr(0, old.size() - digits.size()) + digits, true};
}

Value Reader::joined_with_small(const std::string& digits) const {
  if (!value_) return {digits, true};
  const bool single = digits.size() == 1;
  if (!value_->is_integer || is(previous(), Kind::kSmall)) {
    if (is(previous(), Kind::kTen) && single)
      return {value_->digits.substr(0, value_->digits.size() - 1) + digits, false};
    return {value_->digits + digits, false};
  }
  return added_or_appended(digits, single ? 1 : 2);
}

Value Reader::joined_with_ten(const std::string& digits) const {
  if (!value_) return {digits, true};
  if (!value_->is_integer) return {value_->digits + digits, false};
  return added_or_appended(digits, 2);
}

void Reader::read_arabic(const std::string& text, std::string_view symbol) {
  const std::string number = text.substr(symbol.size());
  if (value_ && !value_->is_integer && value_->digits.ends_with('.')) return become_digits(value_->digits + text);
  if (value_) write_value();
  if (!symbol.empty()) prefix_ = symbol;
  const auto integer = times_power(number, 0);
  value_ = integer ? Value{*integer, true} : Value{number, false};
}

void Reader::read_power(const Word& word) {
  if (!value_) {
    value_ = Value{word.text, true};
  } else if (value_->is_integer) {
    value_ = Value{scaled(value_->digits, word.count), true};
  } else if (auto product = times_power(value_->digits, word.count)) {
    value_ = Value{*product, true};
  } else {
    write_value();
    value_ = Value{word.text, true};
  }
}

void Reader::read_power_suffixed(const Word& word) {
  if (!value_) return write(word.text + word.suffix);
  if (value_->is_integer) return write(scaled(value_->digits, word.count) + word.suffix);
  if (auto product = times_power(value_->digits, word.count)) return write(*product + word.suffix);
  flush_and_write(word.text + word.suffix);
}

void Reader::read_per(const std::string& text) {
  if (!value_) return write(text);
  if (at_ + 1 == words_.size() || words_[at_ + 1] != "cent") return flush_and_write(text);
  write(value_->digits + "%");
  ++at_;
}

// and, double, triple, point: special only in front of something that can be a number.
void Reader::read_connective(const std::string& text, const Word& word) {
  if (!next() && !next_is_numeric()) return flush_and_write(text);
  const bool digit_follows = is(next(), Kind::kSmall) || is(next(), Kind::kZero);
  switch (word.kind) {
    case Kind::kAnd:
      if (!is(previous(), Kind::kPower)) flush_and_write(text);  // "two hundred and one" drops it
      break;
    case Kind::kRepeat: {
      if (!digit_follows) return flush_and_write(text);
      std::string digits = digits_so_far();
      for (size_t i = 0; i < word.count; ++i) digits += next()->text;
      become_digits(std::move(digits));
      ++at_;
      break;
    }
    default:
      if (digit_follows || is(next(), Kind::kTen) || next_is_numeric()) become_digits(digits_so_far() + ".");
  }
}

void Reader::read_word(const std::string& text) {
  const std::string_view symbol = leading_symbol(text);
  if (is_numeric(std::string_view(text).substr(symbol.size()))) return read_arabic(text, symbol);
  const Word* word = look_up(text);
  if (!word) return flush_and_write(text);
  switch (word->kind) {
    case Kind::kZero:
      return become_digits(digits_so_far() + "0");
    case Kind::kSmall:
      value_ = joined_with_small(word->text);
      return;
    case Kind::kSmallSuffixed:
      return write(joined_with_small(word->text).digits + word->suffix);
    case Kind::kTen:
      value_ = joined_with_ten(word->text);
      return;
    case Kind::kTenSuffixed:
      return write(joined_with_ten(word->text).digits + word->suffix);
    case Kind::kPower:
      return read_power(*word);
    case Kind::kPowerSuffixed:
      return read_power_suffixed(*word);
    case Kind::kSign:
      if (value_) write_value();
      if (!next() && !next_is_numeric()) return write(text);
      prefix_ = word->text;
      return;
    case Kind::kCurrency:
      if (!value_) return write(text);
      prefix_ = word->text;
      return write_value();
    case Kind::kPercent:
      return write(value_ ? value_->digits + "%" : text);
    case Kind::kPer:
      return read_per(text);
    case Kind::kAnd:
    case Kind::kRepeat:
    case Kind::kPoint:
      return read_connective(text, *word);
  }
}

// "three and a half" -> "three point five"; spaces between digits and letters, except before st, nd, rd, th and s.
std::string prepared(std::string_view text) {
  static const Regex half(R"(\band\s+a\s+half\b)"), letter_digit("([a-z])([0-9])"), digit_letter("([0-9])([a-z])"),
      suffix(R"(([0-9])\s+(st|nd|rd|th|s)\b)");
  const std::vector<std::string> parts = half.split(text);
  std::string joined;
  const auto append = [&joined](const std::string& part) { joined += (joined.empty() ? "" : " ") + part; };
  for (size_t i = 0; i < parts.size(); ++i) {
    const auto words = split_words(parts[i]);
    if (words.empty()) continue;
    append(parts[i]);
    if (i + 1 == parts.size()) break;
    const Word* last = look_up(words.back());
    const bool number =
        is(last, Kind::kSmall) || is(last, Kind::kTen) || is(last, Kind::kZero) || is(last, Kind::kPower);
    append(number ? "point five" : "and a half");
  }
  joined = digit_letter.replace(letter_digit.replace(joined, "${1} ${2}"), "${1} ${2}");
  return suffix.replace(joined, "${1}${2}");
}

// "$2 and ¢7" -> "$2.07", "$0.07" -> "¢7", a lone "1" -> "one".
std::string finished(const std::string& text) {
  static const Regex two_digits(R"(([€£$])([0-9]+) (?:and )?¢([0-9]{2})\b)"),
      one_digit(R"(([€£$])([0-9]+) (?:and )?¢([0-9])\b)"), cents(R"([€£$]0.(?:0(?=[0-9]\b))?([0-9]{1,2})\b)"),
      one(R"(\b1(s?)\b)");
  std::string result = one_digit.replace(two_digits.replace(text, "${1}${2}.${3}"), "${1}${2}.0${3}");
  return one.replace(cents.replace(result, "¢${1}"), "one${1}");
}

}  // namespace

std::string numbers_as_digits(std::string_view text) {
  return finished(Reader(split_words(prepared(text))).read());
}

}  // namespace usam::text
