// What requests may say, and the sentence for each that they may not.
#include <gtest/gtest.h>

#include "src/base/base64.h"
#include "src/base/fs.h"
#include "tools/serve/api_error.h"
#include "tools/serve/asked.h"

namespace usam::serve {
namespace {

Offer offer() {
  decode::Options options;
  options.max_new_tokens = 50;
  return {"tiny", {"ASR", "SEC"}, std::make_shared<const decode::Options>(options), 16};
}

struct Refusal {
  int status = 0;
  std::string message, param;
};

// Of what a request is refused with; the message "" where it is not.
template <class Read>
Refusal refusal_of(Read read) {
  try {
    read();
  } catch (const ApiError& error) {
    const auto json = error.to_json().at("error");
    EXPECT_EQ(json.at("type"), error.status() == 404 || error.status() == 400 ? "invalid_request_error" : "");
    return {error.status(), json.at("message"), json.at("param").is_null() ? "" : json.at("param").get<std::string>()};
  }
  return {};
}

std::string part(const std::string& name, const std::string& value, bool is_file = false) {
  return "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"" + (is_file ? "; filename=\"a.wav\"" : "") +
         "\r\n\r\n" + value + "\r\n";
}
const std::string kFile = part("file", "RIFF", true);

Asked transcription(const std::string& parts) {
  static const Offer kOffer = offer();
  return transcriptions(kOffer)->read("multipart/form-data; boundary=b", parts + "--b--");
}
Asked chat(const Json& body) {
  static const Offer kOffer = offer();
  return chat_completions(kOffer)->read("application/json; charset=utf-8", body.dump());
}
Json audio_part() {
  return {{"type", "input_audio"}, {"input_audio", {{"data", to_base64("RIFF")}, {"format", "wav"}}}};
}
Json text_part(const std::string& text) {
  return {{"type", "text"}, {"text", text}};
}
Json question(const Json& more = Json::object()) {
  const Json message = {{"role", "user"}, {"content", {text_part("What "), audio_part(), text_part("is it?")}}};
  Json body = {{"messages", Json::array({message})}};
  body.update(more);
  return body;
}

TEST(Transcriptions, AreReadFromForms) {
  const auto plain = transcription(kFile + part("model", "tiny"));
  EXPECT_EQ(plain.task, "ASR");
  EXPECT_EQ(plain.prompt, "");
  EXPECT_EQ(plain.file_name, "a.wav");
  EXPECT_EQ(read_file(plain.audio->path()), "RIFF");
  EXPECT_FALSE(plain.is_streamed || plain.explains);
  const auto other = transcription(kFile + part("prompt", "What?") + part("stream", "true") + part("explain", "1") +
                                   part("temperature", "0.5"));
  EXPECT_EQ(other.prompt, "<audio>What?");
  EXPECT_EQ(other.task, "");
  EXPECT_EQ(other.options->temperature, 0.5);
  EXPECT_TRUE(other.is_streamed && other.explains);
}

TEST(Transcriptions, SayWhatIsWrong) {
  const auto expect = [](const std::string& parts, const std::string& message, const std::string& param) {
    const auto refusal = refusal_of([&] { transcription(parts); });
    EXPECT_EQ(refusal.message, message);
    EXPECT_EQ(refusal.param, param);
    EXPECT_EQ(refusal.status, param == "model" ? 404 : 400);
  };
  expect("", "The form has no field 'file' with the audio.", "file");
  expect(kFile + kFile, "The form has the field 'file' more than once.", "file");
  expect(kFile + part("task", "a") + part("task", "b"), "The form has the field 'task' more than once.", "task");
  expect(kFile + part("model", "whisper-1"), "There is no model 'whisper-1' here, only 'tiny'.", "model");
  expect(kFile + part("task", "S"), "There is no prompt for the task 'S'; use one of ASR or SEC, or give a prompt.",
         "task");
  expect(kFile + part("language", "en"),
         "'language' is not supported: the model takes the language from its prompt. Leave it out.", "language");
  expect(kFile + part("response_format", "srt"), "'response_format' is 'srt'; it may be json, text or verbose_json.",
         "response_format");
  expect(kFile + part("temperature", "warm"), "'temperature' is 'warm', which is no number.", "temperature");
  expect(kFile + part("temperature", "3"), "'temperature' is 3; it may be 0 to 2.", "temperature");
  expect(kFile + part("temperature", "nan"), "'temperature' is nan; it may be 0 to 2.", "temperature");
  expect(kFile + part("stream", "yes"), "'stream' is 'yes'; it may be true or false.", "stream");
  expect(kFile + part("stream", "true") + part("response_format", "text"),
         "A stream is JSON: leave 'response_format' out or set it to json.", "response_format");
  expect(kFile + part("explain", "true") + part("response_format", "text"),
         "'explain' needs the 'response_format' json or verbose_json.", "explain");
  expect(kFile + part("prompt", "<audio> or <audio>?"), "The prompt holds <audio> more than once.", "prompt");
  expect(kFile + part("prompt", std::string(65537, 'x')), "The field 'prompt' is longer than 65536 bytes.", "prompt");
  expect(kFile + part("prompt", "\xff"), "The field 'prompt' is not UTF-8.", "prompt");
  expect(kFile + part("timestamp_granularities[]", "word"), "The field 'timestamp_granularities[]' is not supported.",
         "timestamp_granularities[]");
}

TEST(Chat, IsReadFromJson) {
  const auto plain = chat(question());
  EXPECT_EQ(plain.prompt, "What <audio>is it?");
  EXPECT_EQ(plain.file_name, "input_audio.wav");
  EXPECT_EQ(read_file(plain.audio->path()), "RIFF");
  EXPECT_EQ(plain.options->max_new_tokens, 50);
  const auto other = chat(question({{"model", "tiny"},
                                    {"temperature", 0.7},
                                    {"top_p", 0.9},
                                    {"top_k", 5},
                                    {"max_completion_tokens", 7},
                                    {"n", 3},
                                    {"stop", {"a", "b"}},
                                    {"seed", 4},
                                    {"repetition_penalty", 1.5},
                                    {"explain", true},
                                    {"logprobs", false},
                                    {"presence_penalty", 0},
                                    {"user", "me"},
                                    {"tools", nullptr},
                                    {"response_format", {{"type", "text"}}},
                                    {"modalities", {"text"}},
                                    {"stream_options", {{"include_usage", true}}}}));
  const auto& options = *other.options;
  EXPECT_EQ(options.temperature, 0.7);
  EXPECT_EQ(options.top_p, 0.9);
  EXPECT_EQ(options.top_k, 5);
  EXPECT_EQ(options.max_new_tokens, 7);
  EXPECT_EQ(options.n_best, 3);
  EXPECT_EQ(options.stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(options.seed, 4U);
  EXPECT_EQ(options.repetition_penalty, 1.5);
  EXPECT_TRUE(other.explains && other.has_usage);
  Json task = question({{"task", "SEC"}});
  task["messages"][0]["content"] = Json::array({audio_part()});
  EXPECT_EQ(chat(task).task, "SEC");
  EXPECT_EQ(chat(task).prompt, "");
}

// What is not changed shares the server's own options: such questions go through the model together.
TEST(Chat, OptionsAreSharedWhereNothingIsChanged) {
  static const Offer kOffer = offer();
  const auto endpoint = chat_completions(kOffer);
  EXPECT_EQ(endpoint->read("application/json", question({{"temperature", 0}, {"n", 1}, {"top_p", 1}}).dump()).options,
            kOffer.options);
  EXPECT_NE(endpoint->read("application/json", question({{"max_tokens", 9}}).dump()).options, kOffer.options);
}

TEST(Chat, SaysWhatIsWrong) {
  const auto expect = [](const Json& body, const std::string& message) {
    const auto refusal = refusal_of([&] { chat(body); });
    EXPECT_EQ(refusal.message, message);
    EXPECT_EQ(refusal.status, 400);
  };
  expect(Json::array(), "The body must be a JSON object.");
  expect(Json::object(), "'body' has no 'messages'.");
  expect({{"messages", 1}}, "'messages' must be a list of one message.");
  expect({{"messages", Json::array({1})}}, "'messages[0]' must be an object.");
  const auto content = [](const Json& parts, const char* role = "user") {
    return Json{{"messages", Json::array({{{"role", role}, {"content", parts}}})}};
  };
  expect(content(Json::array({audio_part()}), "system"),
         "The message is of the role 'system'; only one of the user is answered.");
  expect(content("text"), "The message's content must be a list with an input_audio part.");
  expect(content(Json::array({text_part("What?")})), "The message has no input_audio part.");
  expect(content(Json::array({audio_part()})),
         "The message asks nothing: give it a text part, or the request a 'task'.");
  expect(content(Json::array({audio_part(), audio_part()})),
         "The message has several input_audio parts; one is answered about.");
  expect(content(Json::array({text_part("<audio>"), audio_part()})),
         "A text part may not hold '<audio>': the audio's place is that of its part.");
  expect(content(Json::array({{{"type", "image_url"}}})),
         "A part of the type 'image_url' is not supported; use text and input_audio.");
  expect(content(Json::array({{{"type", "text"}}})), "'messages[0].content[0]' has no 'text'.");
  expect(content(Json::array({{{"type", "input_audio"}, {"input_audio", {{"data", "?"}}}}})),
         "'messages[0].content[0].input_audio.data' is not base64.");
  expect(content(Json::array({{{"type", "input_audio"}, {"input_audio", {{"data", 5}}}}})),
         "'messages[0].content[0].input_audio.data' must be a text.");
  Json two = question();
  two["messages"].push_back(two["messages"][0]);
  expect(two,
         "'messages' holds 2 messages: one message of the user is answered, and what stands around it is part of the "
         "checkpoint.");
  expect(question({{"temperature", "0"}}), "'temperature' must be a number.");
  expect(question({{"temperature", -1}}), "'temperature' is -1; it may be 0 to 2.");
  expect(question({{"top_p", 0}}), "'top_p' is 0; it may be above 0 and up to 1.");
  expect(question({{"top_p", 0.5}}), "'top_p' limits what is drawn: it needs a 'temperature' above 0.");
  expect(question({{"top_k", 5}}), "'top_k' limits what is drawn: it needs a 'temperature' above 0.");
  expect(question({{"n", 2}}), "'n' above 1 needs a 'temperature' above 0: without it all answers are the same.");
  expect(question({{"n", 17}}), "'n' is 17; it may be 1 to 16.");
  expect(question({{"n", 1.5}}), "'n' must be a whole number.");
  expect(question({{"n", 18446744073709551615U}}), "'n' must be a whole number.");
  expect(question({{"n", 2}, {"temperature", 1}, {"stream", true}}), "A stream holds one answer: leave 'n' at 1.");
  expect(question({{"max_tokens", 51}}), "'max_tokens' is 51; it may be 1 to 50.");
  expect(question({{"max_tokens", 0}}), "'max_tokens' is 0; it may be 1 to 50.");
  expect(question({{"seed", -1}}), "'seed' is -1; it may not be negative.");
  expect(question({{"repetition_penalty", 0}}), "'repetition_penalty' is 0; it may be 0.1 to 10.");
  expect(question({{"stop", ""}}), "'stop' holds an empty text, which every answer begins with.");
  expect(question({{"stop", {"a", "b", "c", "d", "e"}}}), "'stop' holds more than 4 texts.");
  expect(question({{"stop", std::string(201, 'x')}}), "A text of 'stop' is longer than 200 bytes.");
  expect(question({{"stop", 5}}), "'stop' must be a text.");
  expect(question({{"stream", "true"}}), "'stream' must be true or false.");
  expect(question({{"stream_options", true}}), "'stream_options' must be an object.");
  expect(question({{"stream_options", {{"x", true}}}}), "'stream_options.x' is not supported.");
  expect(question({{"task", std::string(65537, 'x')}}), "'task' is longer than 65536 bytes.");
  for (const char* name : {"tools", "logit_bias", "audio"})
    expect(question({{name, Json::object()}}), std::string("'") + name + "' is not supported, or not with this value.");
  expect(question({{"logprobs", true}}), "'logprobs' is not supported, or not with this value.");
}

TEST(Chat, OnlyJsonIsRead) {
  static const Offer kOffer = offer();
  const auto message = [](const std::string& type, const std::string& body) {
    return refusal_of([&] { chat_completions(kOffer)->read(type, body); }).message;
  };
  EXPECT_EQ(message("text/plain", "{}"), "The body must be application/json, not 'text/plain'.");
  EXPECT_EQ(message("application/json", "{\"a\": }"), "The body cannot be used: it is not valid JSON (at byte 7).");
  EXPECT_EQ(message("application/json", std::string(1000000, '[')),
            "The body cannot be used: the JSON is nested deeper than 64 levels.");
  EXPECT_EQ(message("application/json", "\xff\xfe"), "The body cannot be used: it is not valid JSON (at byte 1).");
}

}  // namespace
}  // namespace usam::serve
