#include "recipes/journal.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include "src/base/error.h"
#include "src/base/fs.h"
#include "src/base/log.h"
#include "src/base/text.h"
#include "src/dist/gather.h"

namespace usam::recipes {
namespace {

namespace fs = std::filesystem;

std::string line_of(const Json& json) {
  return to_line(json) + '\n';
}

// The rank whose file this is; none for other files.
std::optional<int64_t> rank_of(const fs::path& path) {
  const std::string name = path.filename().string();
  constexpr std::string_view kBefore = "rank-", kAfter = ".jsonl";
  if (!name.starts_with(kBefore) || !name.ends_with(kAfter)) return std::nullopt;
  int64_t rank = 0;
  const char* const last = name.data() + name.size() - kAfter.size();
  const auto [end, error] = std::from_chars(name.data() + kBefore.size(), last, rank);
  return error == std::errc() && end == last ? std::optional(rank) : std::nullopt;
}

// A file up to the last line that is whole.
struct Kept {
  Json origin;
  std::vector<Json> answers;
  uintmax_t bytes = 0;
};

// A killed process leaves the beginning of a line, a power cut zeros: what follows the first line that is no JSON is
// dropped.
Kept read_kept(const std::string& path) {
  const std::string text = read_file(path);
  Kept kept;
  for (size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    Json line = Json::parse(text.substr(begin, end - begin), nullptr, /*allow_exceptions=*/false);
    if (line.is_discarded()) break;
    if (begin == 0) {
      kept.origin = std::move(line);
    } else {
      kept.answers.push_back(std::move(line));
    }
    kept.bytes = end + 1;
  }
  return kept;
}

// The names under which two origins differ.
std::set<std::string> differences(const Json& one, const Json& other) {
  std::set<std::string> names;
  for (const Json* origin : {&one, &other}) {
    if (!origin->is_object()) continue;
    for (const auto& [name, value] : origin->items()) {
      if (one.value(name, Json()) != other.value(name, Json())) names.insert(name);
    }
  }
  return names;
}

double number_from(const Json& json) {
  return json.is_number() ? json.get<double>() : std::numeric_limits<double>::quiet_NaN();  // JSON has no NaN
}

}  // namespace

Json to_json(const Answer& answer) {
  Json json = {{"row", answer.row}};
  if (answer.text) json["text"] = *answer.text;
  if (!answer.scores.empty()) json["scores"] = answer.scores;
  if (!answer.explained.is_null()) json["explained"] = answer.explained;
  return json;
}

Answer answer_from(const Json& json) {
  Answer answer{json.at("row").get<int64_t>(), std::nullopt, {}, json.value("explained", Json())};
  if (json.contains("text")) answer.text = json["text"].get<std::string>();
  if (json.contains("scores")) std::ranges::transform(json["scores"], std::back_inserter(answer.scores), number_from);
  return answer;
}

Journal::Journal(JournalConfig config, dist::Communicator& ranks) : config_(std::move(config)), ranks_(ranks) {
  const auto share = Json::to_cbor(read_share());
  std::map<int64_t, Answer> by_row;
  std::set<std::string> others;
  for (const auto& bytes : dist::gather_texts({share.begin(), share.end()}, ranks_)) {
    const Json told = Json::from_cbor(bytes);
    for (const auto& name : told.at("others")) others.insert(name.get<std::string>());
    for (const auto& json : told.at("answers")) {
      Answer answer = answer_from(json);
      by_row.try_emplace(answer.row, std::move(answer));
    }
  }
  for (auto& [row, answer] : by_row) answers_.push_back(std::move(answer));
  // From here on, all ranks have read: they may write.
  if (!others.empty() && ranks_.rank() == 0)
    log::warn("{} holds answers of an evaluation that differs in {}: they are thrown away", config_.folder,
              join_words({others.begin(), others.end()}));
  open_own();
}

Json Journal::read_share() const {
  Json answers = Json::array();
  std::set<std::string> others;
  std::error_code absent;
  for (const auto& entry : fs::directory_iterator(config_.folder, absent)) {
    const auto rank = rank_of(entry.path());
    if (!rank || *rank % ranks_.world() != ranks_.rank()) continue;
    const auto kept = config_.is_fresh ? Kept{} : read_kept(entry.path().string());
    if (kept.origin == config_.origin) {
      for (const auto& answer : kept.answers) answers.push_back(answer);
    } else {
      if (kept.origin.is_object()) others.merge(differences(kept.origin, config_.origin));
      fs::remove(entry.path());
    }
  }
  return {{"answers", answers}, {"others", others}};
}

std::string Journal::own_file() const {
  return fmt::format("{}/rank-{}.jsonl", config_.folder, ranks_.rank());
}

// What a torn line left is cut off.
void Journal::open_own() {
  std::error_code failed;
  fs::create_directories(config_.folder, failed);
  const bool goes_on = fs::exists(own_file());
  if (goes_on) fs::resize_file(own_file(), read_kept(own_file()).bytes, failed);
  own_.open(own_file(), std::ios::app | std::ios::binary);
  if (!goes_on) own_ << line_of(config_.origin);
  if (failed || !own_.flush()) user_error("{} cannot be written to", own_file());
}

void Journal::add(const Answer& answer) {
  own_ << line_of(to_json(answer));
  if (!own_.flush()) user_error("{} cannot be written to; is the disk full?", own_file());
}

void Journal::remove() {
  own_.close();
  ranks_.barrier();      // nobody's files are missed before the evaluation's are there
  std::error_code gone;  // another rank may be first
  fs::remove_all(config_.folder, gone);
}

}  // namespace usam::recipes
