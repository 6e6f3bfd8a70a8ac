// POST /v1/chat/completions, as OpenAI's API has it for one question about one piece of audio, with the fields `task`,
// `top_k`, `repetition_penalty` and `explain` beside.
#include <fmt/format.h>

#include <atomic>
#include <ctime>

#include "src/base/base64.h"
#include "tools/serve/api_error.h"
#include "tools/serve/asked.h"
#include "tools/serve/json_fields.h"

namespace usam::serve {
namespace {

constexpr size_t kLongestStop = 200, kMostStops = 4;

std::vector<std::string> stops(const Json& value) {
  std::vector<std::string> all;
  if (!value.is_array()) all.push_back(as_text("stop", value));
  for (const auto& one : value.is_array() ? value : Json::array()) all.push_back(as_text("stop", one));
  if (all.size() > kMostStops) bad_request("stop", "'stop' holds more than {} texts.", kMostStops);
  for (const auto& one : all) {
    if (one.empty()) bad_request("stop", "'stop' holds an empty text, which every answer begins with.");
    if (one.size() > kLongestStop) bad_request("stop", "A text of 'stop' is longer than {} bytes.", kLongestStop);
  }
  return all;
}

// The one message: its text parts are the prompt, the audio stands between them.
class Message {
 public:
  explicit Message(const Json& messages) {
    if (!messages.is_array() || messages.empty()) bad_request("messages", "'messages' must be a list of one message.");
    if (messages.size() > 1)
      bad_request("messages",
                  "'messages' holds {} messages: one message of the user is answered, and what stands around "
                  "it is part of the checkpoint.",
                  messages.size());
    if (const auto role = as_text("messages[0].role", member("messages[0]", messages[0], "role")); role != "user")
      bad_request("messages", "The message is of the role '{}'; only one of the user is answered.",
                  role.substr(0, 100));
    const Json& content = member("messages[0]", messages[0], "content");
    if (!content.is_array()) bad_request("messages", "The message's content must be a list with an input_audio part.");
    for (size_t i = 0; i < content.size(); ++i) add(fmt::format("messages[0].content[{}]", i), content[i]);
    if (!audio_) bad_request("messages", "The message has no input_audio part.");
  }

  std::unique_ptr<MemoryFile> take_audio() { return std::move(audio_); }
  const std::string& format() const { return format_; }
  // "" where there is no text.
  std::string prompt() const { return before_.empty() && after_.empty() ? "" : before_ + "<audio>" + after_; }

 private:
  void add(const std::string& name, const Json& part) {
    const auto type = as_text(name + ".type", member(name, part, "type"));
    if (type == "text") {
      const auto more = as_text(name + ".text", member(name, part, "text"));
      if (more.find("<audio>") != std::string::npos)
        bad_request(name, "A text part may not hold '<audio>': the audio's place is that of its part.");
      (audio_ ? after_ : before_) += more;
    } else if (type == "input_audio") {
      if (audio_) bad_request(name, "The message has several input_audio parts; one is answered about.");
      const auto& audio = member(name, part, "input_audio");
      const auto& data = member(name + ".input_audio", audio, "data");
      if (!data.is_string()) bad_request(name, "'{}.input_audio.data' must be a text.", name);
      const auto bytes = from_base64(data.get_ref<const std::string&>());
      if (!bytes) bad_request(name, "'{}.input_audio.data' is not base64.", name);
      if (audio.contains("format")) format_ = as_text(name + ".input_audio.format", audio["format"]).substr(0, 20);
      audio_ = std::make_unique<MemoryFile>(*bytes);
    } else {
      bad_request(name, "A part of the type '{}' is not supported; use text and input_audio.", type.substr(0, 100));
    }
  }

  std::unique_ptr<MemoryFile> audio_;
  std::string format_ = "audio", before_, after_;
};

// Fields that only say what is so anyway.
bool says_nothing(const std::string& name, const Json& value) {
  if (name == "user" || name == "metadata") return true;
  if (name == "store" || name == "logprobs") return value == false;
  if (name == "presence_penalty" || name == "frequency_penalty") return value == 0;
  if (name == "modalities") return value == Json::array({"text"});
  if (name == "response_format") return value == Json{{"type", "text"}};
  return false;
}

bool read_search(SearchChange& change, const std::string& name, const Json& value) {
  if (name == "temperature")
    change.temperature = as_number(name, value);
  else if (name == "top_p")
    change.top_p = as_number(name, value);
  else if (name == "top_k")
    change.top_k = as_integer(name, value);
  else if (name == "repetition_penalty")
    change.repetition_penalty = as_number(name, value);
  else if (name == "max_tokens" || name == "max_completion_tokens")
    change.max_tokens = as_integer(name, value);
  else if (name == "n")
    change.answers = as_integer(name, value);
  else if (name == "seed")
    change.seed = as_integer(name, value);
  else if (name == "stop")
    change.stop = stops(value);
  else
    return false;
  return true;
}

void read_stream_options(Asked& asked, const Json& value) {
  if (!value.is_object()) bad_request("stream_options", "'stream_options' must be an object.");
  for (const auto& [name, one] : value.items()) {
    if (name != "include_usage")
      bad_request("stream_options", "'stream_options.{}' is not supported.", name.substr(0, 100));
    asked.has_usage = as_flag("stream_options.include_usage", one);
  }
}

class ChatCompletions final : public Endpoint {
 public:
  explicit ChatCompletions(const Offer& offer) : offer_(offer), time_(std::time(nullptr)) {
    static std::atomic<int64_t> last = 0;
    id_ = fmt::format("chatcmpl-{:x}-{}", time_, ++last);
  }

  Asked read(const std::string& content_type, const std::string& body) const override {
    Asked asked;
    SearchChange change;
    const Json json = parse_body(content_type, body);
    for (const auto& [name, value] : json.items()) {
      if (value.is_null() || name == "messages" || says_nothing(name, value)) continue;
      if (read_search(change, name, value)) continue;
      if (name == "model")
        check_model(as_text(name, value), offer_);
      else if (name == "task")
        asked.task = as_text(name, value);
      else if (name == "stream")
        asked.is_streamed = as_flag(name, value);
      else if (name == "stream_options")
        read_stream_options(asked, value);
      else if (name == "explain")
        asked.explains = as_flag(name, value);
      else
        bad_request(name, "'{}' is not supported, or not with this value.", name.substr(0, 100));
    }
    Message message(member("body", json, "messages"));
    asked.audio = message.take_audio();
    asked.file_name = "input_audio." + message.format();
    asked.prompt = message.prompt();
    if (asked.prompt.empty() && asked.task.empty())
      bad_request("messages", "The message asks nothing: give it a text part, or the request a 'task'.");
    if (asked.prompt.empty()) check_task(asked.task, offer_);
    asked.options = changed(change, offer_);
    if (asked.is_streamed && asked.options->n_best > 1) bad_request("n", "A stream holds one answer: leave 'n' at 1.");
    return asked;
  }

  Text whole(const Asked& asked, const Told& told) const override {
    Json json = head("chat.completion");
    json["choices"] = Json::array();
    for (const auto& hypothesis : told.hypotheses) {
      json["choices"].push_back(
          {{"index", json["choices"].size()},
           {"message", {{"role", "assistant"}, {"content", hypothesis.text}, {"refusal", nullptr}}},
           {"logprobs", nullptr},
           {"finish_reason", reason(hypothesis)}});
    }
    json["usage"] = usage(told);
    if (asked.explains) json["explain"] = told.explained;
    return {to_line(json), "application/json"};
  }

  std::vector<Json> begin() const override { return {chunk({{"role", "assistant"}, {"content", ""}}, nullptr)}; }
  std::vector<Json> piece(const std::string& text) const override { return {chunk({{"content", text}}, nullptr)}; }
  std::vector<Json> end(const Asked& asked, const Told& told) const override {
    std::vector<Json> events = {chunk(Json::object(), reason(told.hypotheses.front()))};
    if (asked.explains) events.back()["explain"] = told.explained;
    if (!asked.has_usage) return events;
    Json last = head("chat.completion.chunk");
    last["choices"] = Json::array();
    last["usage"] = usage(told);
    events.push_back(std::move(last));
    return events;
  }
  bool says_done() const override { return true; }

 private:
  Json head(const char* object) const {
    return {{"id", id_}, {"object", object}, {"created", time_}, {"model", offer_.model}};
  }
  Json chunk(const Json& delta, const Json& finish_reason) const {
    Json json = head("chat.completion.chunk");
    json["choices"] =
        Json::array({{{"index", 0}, {"delta", delta}, {"logprobs", nullptr}, {"finish_reason", finish_reason}}});
    return json;
  }
  static Json reason(const decode::Hypothesis& hypothesis) { return hypothesis.is_ended ? "stop" : "length"; }
  static Json usage(const Told& told) {
    int64_t written = 0;
    for (const auto& hypothesis : told.hypotheses) written += std::ssize(hypothesis.ids);
    return {{"prompt_tokens", told.prompt_tokens},
            {"completion_tokens", written},
            {"total_tokens", told.prompt_tokens + written}};
  }

  const Offer& offer_;
  std::string id_;
  std::time_t time_;
};

}  // namespace

std::unique_ptr<Endpoint> chat_completions(const Offer& offer) {
  return std::make_unique<ChatCompletions>(offer);
}

}  // namespace usam::serve
