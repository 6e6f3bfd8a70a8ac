// Rows written as a talk: ms-swift and OpenAI ({messages: [{role, content}], audios}), LLaMA-Factory and ShareGPT
// ({conversations: [{from, value}], audios}), Kimi-Audio ({conversation: [{role, message_type, content}]}).
#include <fmt/format.h>

#include "data/dialects.h"

namespace usam::data {
namespace {

constexpr std::string_view kSlot = "<audio>";

size_t count_slots(std::string_view text) {
  size_t count = 0;
  for (size_t at = text.find(kSlot); at != std::string_view::npos; at = text.find(kSlot, at + kSlot.size())) ++count;
  return count;
}

// What a talk says: what stands before the answer, and the answer.
struct Talk {
  std::string system, user, answer;
  int64_t answers = 0;
};

void add(std::string& to, const std::string& text) {
  if (!to.empty() && !text.empty()) to += '\n';
  to += text;
}

// Adds a turn; the sentence that refuses it, or nothing.
std::optional<std::string> add_turn(Talk& talk, const std::string& role, const std::string& text) {
  if (role == "system") {
    add(talk.system, text);
  } else if (role == "user" || role == "human") {
    if (talk.answers > 0) return "the talk goes on after an answer; give each answer as a row of its own";
    add(talk.user, text);
  } else if (role == "assistant" || role == "gpt") {
    if (++talk.answers > 1) return "the talk holds several answers; give each as a row of its own";
    talk.answer = text;
  } else {
    return fmt::format("a turn of '{}' is not known; turns are of system, user (human) or assistant (gpt)", role);
  }
  return std::nullopt;
}

// The text of a turn, which may be a list of parts of text and audio (OpenAI); its recordings go to `wavs`.
std::string turn_text(RowFields& turn, const std::string& name, std::vector<std::string>& wavs) {
  const Json& value = turn.value(name);
  if (!value.is_array()) return turn.text(name);
  std::string text;
  for (const Json& part : value) {
    if (!part.is_object()) return turn.refuse(fmt::format("'{}' holds {} in its list", name, kind_of(part))), "";
    RowFields fields(part, name + ".");
    const std::string type = fields.text("type");
    if (type == "text") {
      text += fields.text("text");
    } else if (type == "audio") {
      wavs.push_back(fields.text(fields.has("audio") ? "audio" : "audio_url"));
      text += kSlot;
    } else {
      fields.refuse(fmt::format("a part of type '{}' is not known; parts are text or audio", type));
    }
    if (fields.problem()) return turn.refuse(*fields.problem()), "";
  }
  return text;
}

// What usam takes of a row beside its talk.
void read_own(RowFields& fields, ManifestLine& line) {
  line.key = fields.optional_text(fields.has("key") ? "key" : "id");
  line.task = fields.optional_text("task");
  line.seconds = fields.seconds("dur");
}

std::optional<std::string> finish(RowFields& fields, const Talk& talk, ManifestLine& line, bool with_extra) {
  if (fields.problem()) return fields.problem();
  if (talk.answers == 0) return "the talk holds no answer: a turn of assistant (gpt) is missing";
  if (const auto wrong = problem_of_text("the answer", talk.answer)) return wrong;
  line.label = talk.answer;
  add(line.prompt, talk.system);
  add(line.prompt, talk.user);
  const size_t slots = count_slots(line.prompt);
  if (count_slots(talk.answer) > 0) return "the answer holds <audio>; usam answers in text";
  if (slots != line.wavs.size())
    return fmt::format("the prompt holds {} <audio>, but there are {} audios", slots, line.wavs.size());
  if (slots == 0) return "the row has no audio";
  if (const auto wrong = problem_of_text("the prompt", line.prompt)) return wrong;
  // One recording may be asked about many times.
  if (line.key.empty()) line.key = derived_key(line) + "#" + line.prompt;
  if (with_extra) line.extra = fields.rest();
  return std::nullopt;
}

}  // namespace

std::optional<std::string> read_messages(const Json& row, ManifestLine& line, bool with_extra) {
  RowFields fields(row);
  read_own(fields, line);
  const bool is_sharegpt = !row.contains("messages");
  Talk talk;
  talk.system = fields.optional_text("system");
  for (const char* other : {"images", "videos", "rejected_response", "rejected_messages"}) {
    if (fields.has(other) && !fields.value(other).empty())
      fields.refuse(fmt::format("'{}' is not known to usam, which takes audio and one answer", other));
  }
  for (const Json& one : fields.list(is_sharegpt ? "conversations" : "messages")) {
    if (!one.is_object()) return fmt::format("a turn must be a map, found {}", kind_of(one));
    RowFields turn(one);
    const bool says_from = one.contains("from");
    const std::string role = turn.text(says_from ? "from" : "role");
    const std::string said = turn_text(turn, says_from ? "value" : "content", line.wavs);
    if (turn.problem()) return turn.problem();
    if (const auto wrong = add_turn(talk, role, said)) return wrong;
  }
  const Json& audios = fields.value("audios");
  if (audios.is_string()) {
    line.wavs.push_back(fields.text("audios"));
  } else if (!audios.is_null()) {
    for (const Json& wav : fields.list("audios")) {
      if (!wav.is_string() || problem_of_text("audios", wav.get_ref<const std::string&>()))
        return "'audios' must be a list of paths";
      line.wavs.push_back(wav);
    }
  }
  return finish(fields, talk, line, with_extra);
}

std::optional<std::string> read_kimi(const Json& row, ManifestLine& line, bool with_extra) {
  RowFields fields(row);
  read_own(fields, line);
  const std::string type = fields.optional_text("task_type");
  if (!type.empty() && type != "understanding")
    fields.refuse(fmt::format("a row of 'task_type' {} is not known; usam takes 'understanding'", type));
  Talk talk;
  for (const Json& one : fields.list("conversation")) {
    if (!one.is_object()) return fmt::format("a turn must be a map, found {}", kind_of(one));
    RowFields turn(one);
    const std::string role = turn.text("role"), kind = turn.text("message_type"), said = turn.text("content");
    if (turn.problem()) return turn.problem();
    if (kind != "text" && kind != "audio")
      return fmt::format("a turn of 'message_type' {} is not known; it is text or audio", kind);
    if (kind == "audio" && role == "assistant") return "the answer is audio; usam answers in text";
    if (kind == "audio") line.wavs.push_back(said);
    if (const auto wrong = add_turn(talk, role, kind == "audio" ? std::string(kSlot) : said)) return wrong;
  }
  return finish(fields, talk, line, with_extra);
}

}  // namespace usam::data
