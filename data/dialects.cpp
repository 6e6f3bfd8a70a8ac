#include "data/dialects.h"

#include <fmt/format.h>

namespace usam::data {
namespace {

std::optional<std::string> finish(RowFields& fields, ManifestLine& line, bool with_extra) {
  if (fields.problem()) return fields.problem();
  if (line.key.empty()) line.key = derived_key(line);
  if (with_extra) line.extra = fields.rest();
  return std::nullopt;
}

// SLAM-LLM: {key, source, target, prompt?} and, for several tasks, {key, task, path, target}. A prompt like "<ASR>"
// names a task.
std::optional<std::string> read_slam(const Json& row, ManifestLine& line, bool with_extra) {
  RowFields fields(row);
  line.key = fields.optional_text("key");
  line.wavs = {fields.text(fields.has("source") || !fields.has("path") ? "source" : "path")};
  line.label = fields.text("target");
  line.task = fields.optional_text("task");
  std::string prompt = fields.optional_text("prompt");
  const bool is_tag = prompt.size() > 2 && prompt.front() == '<' && prompt.back() == '>' && prompt != "<audio>" &&
                      prompt.find_first_of("<> \t", 1) == prompt.size() - 1;
  if (is_tag && line.task.empty())
    line.task = prompt.substr(1, prompt.size() - 2);
  else if (!is_tag)
    line.prompt = with_slot(prompt);
  return finish(fields, line, with_extra);
}

// SALMONN: {"annotation": [{path, text, task?, Q?, ...}]}; a task that is not named is "asr".
std::optional<std::string> read_salmonn(const Json& row, ManifestLine& line, bool with_extra) {
  RowFields fields(row);
  line.wavs = {fields.text("path")};
  line.label = fields.text("text");
  line.task = fields.optional_text("task");
  if (line.task.empty()) line.task = "asr";
  line.prompt = with_slot(fields.optional_text("Q"));
  if (fields.has("expand_wav")) fields.refuse("'expand_wav' joins several recordings to one; join them beforehand");
  // One recording may stand there for several tasks.
  line.key = derived_key(line) + "#" + line.task;
  if (!line.prompt.empty()) line.key += "#" + line.prompt;
  return finish(fields, line, with_extra);
}

// NeMo: {audio_filepath, duration, text, offset?, lang?, ...}; _skipme leaves a row out.
std::optional<std::string> read_nemo(const Json& row, ManifestLine& line, bool with_extra) {
  RowFields fields(row);
  const Json& skip = fields.value("_skipme");
  line.is_left_out = !skip.is_null() && skip != Json(false) && skip != Json(0);
  line.wavs = {fields.text("audio_filepath")};
  line.seconds = fields.seconds("duration");
  line.offset = fields.seconds("offset");
  if (line.is_left_out) return fields.problem();
  line.label = fields.text(fields.has("answer") && !fields.has("text") ? "answer" : "text");
  line.task = fields.optional_text("task");
  line.prompt = with_slot(fields.optional_text("prompt"));
  line.key = fields.optional_text("id");
  return finish(fields, line, with_extra);
}

using ReadRow = std::optional<std::string>(const Json& row, ManifestLine& line, bool with_extra);

template <ReadRow kRead>
std::optional<std::string> parse_with(std::string_view text, ManifestLine& line, bool with_extra) {
  line = ManifestLine();
  Json row;
  if (auto problem = parse_json_row(text, row)) return problem;
  return kRead(row, line, with_extra);
}

bool has(const Json& row, std::initializer_list<const char*> names) {
  return std::all_of(names.begin(), names.end(), [&](const char* name) { return row.contains(name); });
}

}  // namespace

std::string derived_key(const ManifestLine& line) {
  std::string key = line.wavs.empty() ? "" : line.wavs.front();
  if (line.offset >= 0) key += fmt::format("@{}", line.offset);
  if (line.offset >= 0 && line.seconds >= 0) key += fmt::format("+{}", line.seconds);
  return key;
}

const std::vector<Dialect>& dialects() {
  static const std::vector<Dialect> all = {
      {"usam", [](const Json& row) { return has(row, {"wav", "label"}); }, parse_manifest_line},
      {"slam", [](const Json& row) { return has(row, {"source", "target"}) || has(row, {"path", "target"}); },
       parse_with<read_slam>},
      {"salmonn", [](const Json& row) { return has(row, {"path", "text"}); }, parse_with<read_salmonn>},
      {"nemo", [](const Json& row) { return has(row, {"audio_filepath"}); }, parse_with<read_nemo>},
      {"kimi",
       [](const Json& row) {
         const auto turns = row.find("conversation");
         return turns != row.end() && turns->is_array() && !turns->empty() && turns->front().is_object() &&
                turns->front().contains("message_type");
       },
       parse_with<read_kimi>},
      {"messages", [](const Json& row) { return has(row, {"messages"}) || has(row, {"conversations"}); },
       parse_with<read_messages>},
      {"lhotse",
       [](const Json& row) {
         return has(row, {"recording", "supervisions"}) || has(row, {"id", "start", "duration", "supervisions"}) ||
                has(row, {"id", "tracks"});
       },
       parse_with<read_lhotse>},
  };
  return all;
}

const Dialect* find_dialect(std::string_view name) {
  for (const Dialect& dialect : dialects()) {
    if (name == dialect.name) return &dialect;
  }
  return nullptr;
}

}  // namespace usam::data
