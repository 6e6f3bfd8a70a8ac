#include "data/sources/kaldi.h"

#include <charconv>
#include <filesystem>
#include <fstream>
#include <unordered_map>

#include "data/json_row.h"
#include "src/base/error.h"
#include "src/base/json.h"
#include "src/base/log.h"

namespace usam::data {
namespace {

namespace fs = std::filesystem;

// The lines of a list are wrong; what is wrong with each was noted.
struct WrongLists {};

// A list's lines: a name, and what stands behind it.
template <class Use>
void for_lines(const std::string& path, Use use) {
  std::ifstream file(path);
  if (!file) user_error("{}: the file cannot be read", path);
  std::string line;
  for (int64_t number = 1; std::getline(file, line); ++number) {
    const std::string_view text = trim(line);
    const auto end = std::min(text.find_first_of(" \t"), text.size());
    use(number, std::string(text.substr(0, end)), trim(text.substr(end)));
  }
}

class KaldiFolder {
 public:
  KaldiFolder(const std::string& path, ManifestProblems& problems)
      : folder_(path), problems_(problems), files_(kaldi_files(path)) {}

  std::string file(const char* name) const { return (fs::path(folder_) / name).string(); }
  bool has(const char* name) const { return std::ranges::find(files_, file(name)) != files_.end(); }
  const std::vector<std::string>& files() const { return files_; }

  // A line for each of the first list's lines, blank where that is.
  void join(const TextSink& sink) {
    const int64_t before = problems_.count();
    if (!has("text"))
      user_error("{}: the Kaldi folder holds no 'text', which names the utterances' transcripts", folder_);
    auto texts = read_map("text"), durations = read_map("utt2dur"), speakers = read_map("utt2spk"),
         languages = read_map("utt2lang");
    if (has("segments")) recordings_ = read_map("wav.scp");
    for_lines(files_.front(), [&](int64_t number, const std::string& utterance, std::string_view rest) {
      line_ = number;
      std::string out;
      if (!utterance.empty()) {
        Json row = {{"key", utterance}};
        const bool is_right = has("segments") ? read_segment(row, rest) : read_wav(row, rest);
        const auto text = texts.find(utterance);
        if (text == texts.end()) {
          refuse(
              fmt::format("utterance '{}' has no line in 'text'; utils/fix_data_dir.sh mends such folders", utterance));
        } else if (is_right) {
          row["label"] = text->second;
          add(row, "dur", durations, utterance);
          add(row, "spk", speakers, utterance);
          add(row, "lang", languages, utterance);
          out = print(row);
        }
      }
      sink(out + "\n");
    });
    if (problems_.count() > before) throw WrongLists{};
  }

 private:
  using Map = std::unordered_map<std::string, std::string>;

  Map read_map(const char* name) {
    Map map;
    if (!has(name)) return map;
    for_lines(file(name), [&](int64_t number, const std::string& key, std::string_view rest) {
      if (!key.empty() && !map.try_emplace(key, rest).second)
        problems_.add(fmt::format("{}:{}: '{}' stands twice in the list", file(name), number, key));
    });
    return map;
  }

  bool refuse(const std::string& sentence) {
    problems_.add(fmt::format("{}:{}: {}", files_.front(), line_, sentence));
    return false;
  }

  bool read_wav(Json& row, std::string_view path) {
    if (path.empty()) return refuse("a path is missing");
    if (path.ends_with('|'))
      return refuse(fmt::format("'{}' is a command, which usam does not run; store what it writes as a file", path));
    const auto colon = path.rfind(':');
    if (colon != std::string_view::npos && path.substr(0, colon).ends_with(".ark") &&
        path.find_first_not_of("0123456789", colon + 1) == std::string_view::npos)
      return refuse(
          fmt::format("'{}' is a place in an archive, which usam does not read; store the recordings as files", path));
    row["wav"] = path;
    return true;
  }

  // "RECORDING BEGIN END [CHANNEL]"; an end below the begin (-1) is the recording's.
  bool read_segment(Json& row, std::string_view rest) {
    std::vector<std::string> words;
    for (std::string_view left = rest; !left.empty();) {
      const auto end = std::min(left.find_first_of(" \t"), left.size());
      words.emplace_back(left.substr(0, end));
      left = trim(left.substr(end));
    }
    double begin = 0, end = 0;
    const auto number = [](const std::string& text, double& value) {
      const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
      return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
    };
    if (words.size() < 3 || words.size() > 4 || !number(words[1], begin) || !number(words[2], end) || begin < 0)
      return refuse("a segment must be: UTTERANCE RECORDING BEGIN END");
    if (words.size() == 4 && words[3] != "0")
      return refuse(fmt::format(
          "the segment is of channel {}; usam hears the mean of a file's channels: store the channel as a file",
          words[3]));
    if (end >= 0 && end <= begin) return refuse("the segment ends where it begins, or before");
    const auto recording = recordings_.find(words[0]);
    if (recording == recordings_.end()) return refuse(fmt::format("recording '{}' has no line in 'wav.scp'", words[0]));
    row["offset"] = begin;
    // Without the rounding error of a difference: 0.1, not 0.09999999999999998.
    if (end > 0) row["dur"] = std::round((end - begin) * 1e6) / 1e6;
    return read_wav(row, recording->second);
  }

  void add(Json& row, const char* name, const Map& map, const std::string& utterance) {
    const auto found = map.find(utterance);
    if (found != map.end() && !row.contains(name)) row[name] = found->second;
  }

  std::string print(const Json& row) {
    try {
      return row.dump();
    } catch (const Json::exception&) {
      refuse("the line, or the utterance's line in another list, is not UTF-8");
      return "";
    }
  }

  std::string folder_;
  ManifestProblems& problems_;
  std::vector<std::string> files_;
  Map recordings_;
  int64_t line_ = 0;
};

}  // namespace

bool is_kaldi_folder(const std::string& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored) && fs::exists(fs::path(path) / "wav.scp", ignored);
}

std::vector<std::string> kaldi_files(const std::string& folder) {
  std::vector<std::string> files;
  for (const char* name : {"segments", "wav.scp", "text", "utt2dur", "utt2spk", "utt2lang"}) {
    const fs::path file = fs::path(folder) / name;
    if (fs::exists(file)) files.push_back(file.string());
  }
  return files;
}

std::shared_ptr<Manifest> open_kaldi(const ManifestConfig& config, const ManifestOptions& options, SeenKeys& seen,
                                     ManifestProblems& problems) {
  const std::string& path = config.path.value;
  KaldiFolder folder(path, problems);
  ManifestConfig as_rows = config;
  as_rows.format = "usam";
  try {
    if (!is_kaldi_folder(path)) user_error("{}: this is no Kaldi folder: it holds no wav.scp", path);
    auto text = derive_text(
        {path, folder.files(), "kaldi 1", options.index_dir, [&](const TextSink& sink) { folder.join(sink); }});
    return Manifest::open_text(as_rows, std::move(text), folder.files(), options, seen, problems);
  } catch (const WrongLists&) {
  } catch (const UserError& e) {
    problems.add(e.what());
  }
  return Manifest::open_text(as_rows, nullptr, {}, options, seen, problems);
}

}  // namespace usam::data
