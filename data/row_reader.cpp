#include "data/row_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "src/base/thread.h"

namespace usam::data {
namespace {

constexpr int64_t kChunk = 4 << 20, kMaxRow = 64 << 20, kSniffed = 1 << 20;
constexpr int kSniffedRows = 100, kMaxThreads = 8;

std::string_view without_mark(std::string_view text) {
  return text.substr(0, 3) == "\xef\xbb\xbf" ? text.substr(3) : text;
}

// A row as a thread has read it, on its way to the builder.
struct ReadRow {
  std::string key, task, problem;
  IndexRecord record;  // its texts are set when it is given on
  bool is_left_out = false;
};

ReadRow read_row(std::string_view text, int64_t begin, int64_t line, const Dialect& dialect) {
  ReadRow row;
  row.record.text = {0, begin, std::ssize(text)};
  row.record.line = line;
  ManifestLine said;
  if (std::ssize(text) > kMaxRow) {
    row.problem = fmt::format("the row is longer than {} MiB", kMaxRow >> 20);
  } else if (auto problem = dialect.parse(text, said, false)) {
    row.problem = std::move(*problem);
  } else {
    row.is_left_out = said.is_left_out;
    row.record.check = text_check(text);
    row.record.has_prompt = !said.prompt.empty();
    row.record.seconds = said.seconds;
    row.record.label_bytes = label_bytes(said);
    row.key = std::move(said.key);
    row.task = std::move(said.task);
  }
  return row;
}

void give(ReadRow& row, int64_t first_line, IndexBuilder& builder) {
  row.record.line += first_line;
  if (!row.problem.empty()) return builder.refuse(0, row.record.line, row.problem);
  if (row.is_left_out) return;
  row.record.key = row.key;
  row.record.task = row.task;
  builder.add(row.record);
}

// The lines that begin in one stretch of the text.
struct Chunk {
  std::vector<ReadRow> rows;  // their lines count from 1 within the chunk
  int64_t lines = 0, end = 0;
};

Chunk read_chunk(const RowText& text, int64_t number, const Dialect& dialect) {
  const int64_t begin = number * kChunk, end = std::min(begin + kChunk, text.size());
  Chunk chunk;
  chunk.end = end;
  // From the byte before, which says whether a line begins here, to where the last line ends.
  const int64_t from = std::max<int64_t>(begin - 1, 0);
  std::string bytes = text.read(from, end - from);
  if (begin > 0 && bytes.find('\n') == std::string::npos) return chunk;  // amid a line that began before
  for (int64_t more = 64 << 10; bytes.empty() || bytes.back() != '\n'; more *= 4) {
    const std::string next = text.read(from + std::ssize(bytes), more);
    if (next.empty()) break;
    const auto stop = next.find('\n');
    bytes += next.substr(0, stop == std::string::npos ? stop : stop + 1);
    if (std::ssize(bytes) > kChunk + 2 * kMaxRow) break;  // such a line is refused
  }
  size_t at = 0;
  if (begin > 0) at = std::min(bytes.find('\n'), bytes.size() - 1) + 1;
  while (at < bytes.size() && from + static_cast<int64_t>(at) < end) {
    const size_t stop = std::min(bytes.find('\n', at), bytes.size());
    ++chunk.lines;
    const std::string_view line = without_mark(std::string_view(bytes).substr(at, stop - at));
    if (!is_blank(line))
      chunk.rows.push_back(read_row(line, from + (line.data() - bytes.data()), chunk.lines, dialect));
    at = stop + 1;
  }
  return chunk;
}

void read_lines(const RowText& text, const Dialect& dialect, IndexBuilder& builder) {
  const int64_t chunks = (text.size() + kChunk - 1) / kChunk;
  const int64_t threads = chunks < 2 ? 0 : std::clamp<int64_t>(std::thread::hardware_concurrency(), 1, kMaxThreads);
  OrderedStream<Chunk> stream(threads, 2 * threads, [&](int64_t number) {
    return number < chunks ? std::optional(read_chunk(text, number, dialect)) : std::nullopt;
  });
  int64_t lines = 0;
  bool any = false;
  while (auto chunk = stream.next()) {
    for (ReadRow& row : chunk->rows) give(row, lines, builder);
    lines += chunk->lines;
    any |= !chunk->rows.empty();
    builder.progress(chunk->end, text.size());
  }
  if (!any) builder.refuse(0, 0, "the manifest holds no row");
}

// Finds the elements of the list: the bytes of a text pass once, and only an element's own are kept.
class ListScanner {
 public:
  explicit ListScanner(const RowText& text) : text_(text) {}

  // The next element and where it begins; nothing at the list's end, with what is wrong there in `problem`.
  std::optional<std::string_view> next(int64_t& begin, std::string& problem) {
    if (!is_in_list_ && !enter(problem)) return std::nullopt;
    int c = skip_blanks();
    if (c == ',' && elements_ > 0) take(), c = skip_blanks();
    if (c == ']') return std::nullopt;
    if (c < 0) return problem = "the text ends before its list does; the file is cut off", std::nullopt;
    if (c != '{') return problem = fmt::format("element {} of the list is no map", elements_ + 1), std::nullopt;
    begin = position_;
    element_.clear();
    const auto keep = [&](char byte) { return element_ += byte, std::ssize(element_) <= kMaxRow; };
    if (!take_closed(0, keep)) {
      problem = std::ssize(element_) > kMaxRow
                    ? fmt::format("element {} of the list is longer than {} MiB", elements_ + 1, kMaxRow >> 20)
                    : "the text ends before its list does; the file is cut off";
      return std::nullopt;
    }
    ++elements_;
    return element_;
  }
  // After the last element: what is wrong with what stands behind the list, or "".
  std::string problem_behind() {
    if (!take_closed(is_in_map_ ? 2 : 1, [](char) { return true; }))
      return "the text ends behind its list, before the map around it does; the file is cut off";
    if (skip_blanks() < 0) return "";
    return fmt::format(
        "further text follows behind the list (at byte {}), as if files had been joined; put all rows into one list, "
        "or name each file as a manifest of its own",
        position_);
  }
  int64_t position() const { return position_; }

 private:
  // Comes to the list's first element.
  bool enter(std::string& problem) {
    is_in_list_ = true;
    int c = skip_blanks();
    if (c == 0xef) take(), take(), take(), c = skip_blanks();  // a byte order mark
    if (c == '{') {
      is_in_map_ = true;
      take();
      static constexpr std::string_view kName = "\"annotation\"";
      skip_blanks();
      for (const char wanted : kName) {
        if (take() != wanted) return problem = "a file of one map must begin with \"annotation\"", false;
      }
      if (skip_blanks() == ':') take();
      c = skip_blanks();
    }
    if (c != '[') return problem = "\"annotation\" must be a list", false;
    take();
    return true;
  }
  // Takes bytes until no bracket is open, of `depth` that were open before and those among them. False where the text
  // ends first, or `keep` takes no more.
  template <class Keep>
  bool take_closed(int64_t depth, const Keep& keep) {
    bool in_text = false;
    do {
      int c = take();
      if (c < 0 || !keep(static_cast<char>(c))) return false;
      if (in_text && c == '\\') {
        if ((c = take()) < 0 || !keep(static_cast<char>(c))) return false;
      } else if (c == '"') {
        in_text = !in_text;
      } else if (!in_text) {
        depth += (c == '{' || c == '[') - (c == '}' || c == ']');
      }
    } while (depth > 0);
    return true;
  }
  int skip_blanks() {
    int c = peek();
    while (c == ' ' || c == '\t' || c == '\r' || c == '\n') take(), c = peek();
    return c;
  }
  int peek() {
    if (at_ == block_.size()) {
      block_ = text_.read(position_, 1 << 20);
      at_ = 0;
      if (block_.empty()) return -1;
    }
    return static_cast<unsigned char>(block_[at_]);
  }
  int take() {
    const int c = peek();
    if (c >= 0) ++at_, ++position_;
    return c;
  }

  const RowText& text_;
  std::string block_, element_;
  size_t at_ = 0;
  int64_t position_ = 0, elements_ = 0;
  bool is_in_list_ = false, is_in_map_ = false;
};

void read_list(const RowText& text, const Dialect& dialect, IndexBuilder& builder) {
  ListScanner scanner(text);
  int64_t begin = 0, number = 0;
  std::string problem;
  while (const auto element = scanner.next(begin, problem)) {
    ReadRow row = read_row(*element, begin, ++number, dialect);
    give(row, 0, builder);
    builder.progress(scanner.position(), text.size());
  }
  if (!problem.empty()) return builder.refuse(0, number + 1, problem);
  if (const std::string behind = scanner.problem_behind(); !behind.empty()) return builder.refuse(0, 0, behind);
  if (number == 0) builder.refuse(0, 0, "the manifest holds no row");
}

const Dialect* dialect_of(std::string_view text) {
  Json row;
  if (is_blank(text) || parse_json_row(text, row)) return nullptr;
  for (const Dialect& dialect : dialects()) {
    if (dialect.is_likely(row)) return &dialect;
  }
  return nullptr;
}

}  // namespace

std::string wrong_encoding(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0x20u; };
  if ((byte(0) == 0xff && byte(1) == 0xfe) || (byte(0) == 0xfe && byte(1) == 0xff) || byte(0) == 0 || byte(1) == 0)
    return "the file is UTF-16 or UTF-32 text; save it as UTF-8";
  if (byte(0) == 0x1f && byte(1) == 0x8b) return "the file is compressed; unpack it with gunzip";
  return "";
}

RowFormat detect_format(const RowText& text, const Dialect* dialect) {
  RowFormat format{RowLayout::kLines, dialect};
  const std::string begin = text.read(0, kSniffed);
  const std::string_view trimmed = trim(without_mark(begin));
  const bool is_annotation = trimmed.starts_with("{") && trim(trimmed.substr(1)).starts_with("\"annotation\"");
  // A list of one line is a row that is wrong; a file of a list begins with a map.
  const bool is_list = trimmed.starts_with("[") && trim(trimmed.substr(1)).starts_with("{");
  if (is_annotation || is_list) {
    format.layout = RowLayout::kList;
    if (is_annotation && !format.dialect) format.dialect = find_dialect("salmonn");
    ListScanner scanner(text);
    int64_t at = 0;
    std::string problem;
    if (const auto first = scanner.next(at, problem); first && !format.dialect) format.dialect = dialect_of(*first);
  }
  size_t at = 0;
  for (int row = 0; row < kSniffedRows && at < begin.size() && !format.dialect; ++row) {
    const size_t stop = std::min(begin.find('\n', at), begin.size());
    format.dialect = dialect_of(without_mark(std::string_view(begin).substr(at, stop - at)));
    at = stop + 1;
  }
  if (!format.dialect) format.dialect = &dialects().front();
  return format;
}

void read_rows(const RowText& text, const RowFormat& format, IndexBuilder& builder) {
  if (format.layout == RowLayout::kList)
    read_list(text, *format.dialect, builder);
  else
    read_lines(text, *format.dialect, builder);
}

}  // namespace usam::data
