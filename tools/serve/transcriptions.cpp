// POST /v1/audio/transcriptions, as OpenAI's API has it, with the fields `task` and `explain` beside.
#include <fmt/format.h>

#include <charconv>
#include <map>

#include "src/text/unicode.h"
#include "tools/serve/api_error.h"
#include "tools/serve/asked.h"
#include "tools/serve/multipart.h"

namespace usam::serve {
namespace {

constexpr size_t kLongestField = 65536;

double number_of(const std::string& name, const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    bad_request(name, "'{}' is '{}', which is no number.", name, text.substr(0, 100));
  return value;
}

bool flag_of(const std::string& name, const std::string& text) {
  if (text == "true" || text == "1") return true;
  if (text == "false" || text == "0") return false;
  bad_request(name, "'{}' is '{}'; it may be true or false.", name, text.substr(0, 100));
}

void check_format(const std::string& format) {
  if (format != "json" && format != "text" && format != "verbose_json")
    bad_request("response_format", "'response_format' is '{}'; it may be json, text or verbose_json.",
                format.substr(0, 100));
}

class Transcriptions final : public Endpoint {
 public:
  explicit Transcriptions(const Offer& offer) : offer_(offer) {}

  Asked read(const std::string& content_type, const std::string& body) const override {
    Asked asked;
    SearchChange change;
    std::map<std::string, std::string> fields;
    for (const auto& part : parse_form(content_type, body)) {
      if (part.name == "file") {
        if (asked.audio) bad_request("file", "The form has the field 'file' more than once.");
        asked.audio = std::make_unique<MemoryFile>(part.bytes);
        asked.file_name = part.file_name.substr(0, 200);
      } else if (!fields.emplace(part.name, part.bytes.substr(0, kLongestField + 1)).second) {
        bad_request(part.name, "The form has the field '{}' more than once.", part.name);
      }
    }
    for (const auto& [name, text] : fields) {
      if (text.size() > kLongestField)
        bad_request(name, "The field '{}' is longer than {} bytes.", name, kLongestField);
      if (!text::is_valid_utf8(text)) bad_request(name, "The field '{}' is not UTF-8.", name);
      if (name == "model")
        check_model(text, offer_);
      else if (name == "task")
        asked.task = text;
      else if (name == "prompt")
        asked.prompt = text.empty() ? "" : with_audio(text);
      else if (name == "response_format")
        check_format(asked.format = text);
      else if (name == "temperature")
        change.temperature = number_of(name, text);
      else if (name == "stream")
        asked.is_streamed = flag_of(name, text);
      else if (name == "explain")
        asked.explains = flag_of(name, text);
      else if (name == "language")
        bad_request(name, "'language' is not supported: the model takes the language from its prompt. Leave it out.");
      else
        bad_request(name, "The field '{}' is not supported.", name.substr(0, 100));
    }
    if (!asked.audio) bad_request("file", "The form has no field 'file' with the audio.");
    if (asked.is_streamed && asked.format != "json")
      bad_request("response_format", "A stream is JSON: leave 'response_format' out or set it to json.");
    if (asked.explains && asked.format == "text")
      bad_request("explain", "'explain' needs the 'response_format' json or verbose_json.");
    if (asked.prompt.empty() && asked.task.empty()) asked.task = "ASR";
    if (asked.prompt.empty()) check_task(asked.task, offer_);
    asked.options = changed(change, offer_);
    return asked;
  }

  Text whole(const Asked& asked, const Told& told) const override {
    const auto& text = told.hypotheses.front().text;
    if (asked.format == "text") return {text + "\n", "text/plain; charset=utf-8"};
    Json json = {{"text", text}};
    if (asked.format == "verbose_json")
      json = {{"task", "transcribe"},
              {"duration", told.seconds},
              {"text", text},
              {"log_prob", told.hypotheses.front().log_prob}};
    json["usage"] = usage(told);
    if (asked.explains) json["explain"] = told.explained;
    return {to_line(json), "application/json"};
  }

  std::vector<Json> begin() const override { return {}; }
  std::vector<Json> piece(const std::string& text) const override {
    return {{{"type", "transcript.text.delta"}, {"delta", text}}};
  }
  std::vector<Json> end(const Asked& asked, const Told& told) const override {
    Json last = {{"type", "transcript.text.done"}, {"text", told.hypotheses.front().text}, {"usage", usage(told)}};
    if (asked.explains) last["explain"] = told.explained;
    return {last};
  }
  bool says_done() const override { return false; }

 private:
  static Json usage(const Told& told) {
    const auto written = std::ssize(told.hypotheses.front().ids);
    return {{"type", "tokens"},
            {"input_tokens", told.prompt_tokens},
            {"output_tokens", written},
            {"total_tokens", told.prompt_tokens + written},
            {"seconds", told.seconds}};
  }

  const Offer& offer_;
};

}  // namespace

std::unique_ptr<Endpoint> transcriptions(const Offer& offer) {
  return std::make_unique<Transcriptions>(offer);
}

}  // namespace usam::serve
