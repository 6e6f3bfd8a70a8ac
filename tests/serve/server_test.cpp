// usam-serve as a client sees it.
#include <zlib.h>

#include <chrono>
#include <thread>

#include "src/base/base64.h"
#include "src/base/hash.h"
#include "tests/serve/server.h"

namespace usam::test {
namespace {

std::string bytes_of_clip(const std::string& name) {
  return text_of(tiny().clip(name));
}

Json question(const std::string& clip, const std::string& before, const std::string& after = "") {
  Json content = Json::array();
  if (!before.empty()) content.push_back({{"type", "text"}, {"text", before}});
  content.push_back(
      {{"type", "input_audio"}, {"input_audio", {{"data", to_base64(bytes_of_clip(clip))}, {"format", "wav"}}}});
  if (!after.empty()) content.push_back({{"type", "text"}, {"text", after}});
  return {{"messages", Json::array({{{"role", "user"}, {"content", content}}})}};
}

// One server for the tests that leave it as it is.
class Serve : public testing::Test {
 protected:
  static void SetUpTestSuite() { server_ = std::make_unique<Server>(); }
  static void TearDownTestSuite() {
    server_->signal(SIGTERM);
    EXPECT_EQ(server_->wait(), 0) << server_->errors();
    server_.reset();
  }
  static const Server& server() { return *server_; }

 private:
  static inline std::unique_ptr<Server> server_;
};

TEST_F(Serve, AnswersAreThoseOfUsamGenerate) {
  for (const char* name : {"test0", "test1", "test5", "valid3"}) {
    const auto reply = transcribe(server(), bytes_of_clip(name));
    ASSERT_EQ(reply.status, 200) << reply.body;
    EXPECT_EQ(reply.json().at("text"), tiny().text(name));
    const auto asked = post_json(server(), kChat, question(name, "What ", " is it?"));
    ASSERT_EQ(asked.status, 200) << asked.body;
    EXPECT_EQ(asked.json().at("choices")[0].at("message").at("content"),
              tiny().text(name, "--prompt 'What <audio> is it?'"));
  }
  const auto task = transcribe(server(), bytes_of_clip("test1"), {{"task", "SEC"}, {"model", "tiny"}});
  EXPECT_EQ(task.json().at("text"), tiny().text("test1", "--task SEC"));
  const auto plain = transcribe(server(), bytes_of_clip("test1"), {{"response_format", "text"}});
  EXPECT_EQ(plain.body, tiny().text("test1") + "\n");
  const auto verbose = transcribe(server(), bytes_of_clip("test0"), {{"response_format", "verbose_json"}}).json();
  EXPECT_EQ(verbose.at("text"), tiny().text("test0"));
  EXPECT_NEAR(verbose.at("duration").get<double>(), 0.65, 1e-3);
  EXPECT_LT(verbose.at("log_prob").get<double>(), 0);
}

TEST_F(Serve, ChatSearchesAsAsked) {
  auto body = question("test0", "What is it?");
  body.update({{"temperature", 1.5}, {"n", 3}, {"seed", 7}, {"max_tokens", 5}, {"top_p", 0.95}});
  const auto first = post_json(server(), kChat, body), again = post_json(server(), kChat, body);
  ASSERT_EQ(first.status, 200) << first.body;
  const auto choices = first.json().at("choices");
  ASSERT_EQ(choices.size(), 3U);
  EXPECT_EQ(choices, again.json().at("choices"));
  EXPECT_NE(choices[0].at("message"), choices[1].at("message"));
  EXPECT_LE(first.json().at("usage").at("completion_tokens").get<int>(), 15);
  const auto usage = first.json().at("usage");
  EXPECT_EQ(usage.at("total_tokens").get<int>(),
            usage.at("prompt_tokens").get<int>() + usage.at("completion_tokens").get<int>());

  const auto whole = tiny().text("test0", "--prompt 'What is it?<audio>'");
  ASSERT_GT(whole.size(), 4U);
  body = question("test0", "What is it?");
  body["stop"] = whole.substr(3, 1);
  const auto stopped = post_json(server(), kChat, body).json().at("choices")[0];
  EXPECT_EQ(stopped.at("message").at("content"), whole.substr(0, whole.find(whole.substr(3, 1))));
  EXPECT_EQ(stopped.at("finish_reason"), "stop");
}

TEST_F(Serve, AStreamsPiecesAreTheWhole) {
  const auto bytes = bytes_of_clip("test0");
  const auto stream = transcribe(server(), bytes, {{"stream", "true"}, {"explain", "true"}});
  ASSERT_EQ(stream.status, 200) << stream.body;
  EXPECT_EQ(stream.headers.find("Content-Type")->second, "text/event-stream");
  std::string pieces;
  const auto events = events_of(stream.body);
  ASSERT_GE(events.size(), 2U);  // what is ready at the same time goes as one piece
  for (size_t i = 0; i + 1 < events.size(); ++i) {
    EXPECT_EQ(Json::parse(events[i]).at("type"), "transcript.text.delta");
    pieces += Json::parse(events[i]).at("delta").get<std::string>();
  }
  const auto done = Json::parse(events.back());
  EXPECT_EQ(done.at("type"), "transcript.text.done");
  EXPECT_EQ(done.at("text"), pieces);
  EXPECT_EQ(pieces, tiny().text("test0"));
  const auto& explained = done.at("explain");
  EXPECT_EQ(explained.at("gates").size(), 3U);
  EXPECT_EQ(explained.at("kept").size(), explained.at("scores").size());
  const auto& spectrogram = explained.at("spectrogram");
  EXPECT_EQ(spectrogram.at("bands"), 80);
  EXPECT_EQ(spectrogram.at("data").get<std::string>().size(),
            (spectrogram.at("frames").get<size_t>() * 80 + 2) / 3 * 4);

  auto body = question("test0", "What is it?");
  const auto whole = post_json(server(), kChat, body).json();
  body.update({{"stream", true}, {"stream_options", {{"include_usage", true}}}});
  auto chunks = events_of(post_json(server(), kChat, body).body);
  ASSERT_GT(chunks.size(), 4U);
  EXPECT_EQ(chunks.back(), "[DONE]");
  chunks.pop_back();
  EXPECT_EQ(Json::parse(chunks.back()).at("usage"), whole.at("usage"));
  chunks.pop_back();
  EXPECT_EQ(Json::parse(chunks.back()).at("choices")[0].at("finish_reason"),
            whole.at("choices")[0].at("finish_reason"));
  pieces.clear();
  for (const auto& chunk : chunks) pieces += Json::parse(chunk).at("choices")[0].at("delta").value("content", "");
  EXPECT_EQ(whole.at("choices")[0].at("message").at("content"), pieces);
}

// The best of several beams changes on the way: the stream is the end's text all the same.
TEST(ServeBeams, AStreamIsTheAnswer) {
  const std::string copy = tiny().file("beams");
  std::filesystem::copy(std::filesystem::canonical(tiny().checkpoint()), copy,
                        std::filesystem::copy_options::recursive);
  std::ifstream in(copy + "/config.yaml");
  std::string config{std::istreambuf_iterator<char>(in), {}};
  const size_t at = config.find("beams: 1");
  ASSERT_NE(at, std::string::npos) << config;
  config.replace(at, 8, "beams: 3");
  std::ofstream(copy + "/config.yaml") << config;
  Json manifest = Json::parse(std::ifstream(copy + "/manifest.json"));
  manifest["files"]["config.yaml"]["sha256"] = sha256_text(config);
  std::ofstream(copy + "/manifest.json") << manifest;
  Server server({}, copy);
  for (const char* clip : {"test0", "test1"}) {
    const auto reply = transcribe(server, bytes_of_clip(clip));
    ASSERT_EQ(reply.status, 200) << reply.body;
    const auto whole = reply.json().at("text").get<std::string>();
    std::string pieces;
    for (const auto& event : events_of(transcribe(server, bytes_of_clip(clip), {{"stream", "true"}}).body)) {
      const auto told = Json::parse(event);
      pieces += told.value("delta", "");
      if (told.at("type") == "transcript.text.done") EXPECT_EQ(told.at("text"), whole);
    }
    EXPECT_EQ(pieces, whole);
  }
}

TEST_F(Serve, TellsWhatItIs) {
  const auto client = server().client();
  const auto health = Json::parse(client->Get("/health")->body);
  EXPECT_EQ(health.at("status"), "ok");
  EXPECT_EQ(health.at("model"), "tiny");
  EXPECT_EQ(health.at("max_seconds"), 2);
  const auto models = Json::parse(client->Get("/v1/models")->body);
  EXPECT_EQ(models.at("data")[0].at("id"), "tiny");
  transcribe(server(), bytes_of_clip("test0"));
  // A request is counted, and what it held given back, when its answer is on its way: perhaps after it has come.
  const auto is_told = [](const std::string& metrics) {
    for (const char* line : {"usam_requests_total{endpoint=\"/v1/audio/transcriptions\",status=\"200\"} ",
                             "\nusam_queue_length 0\n", "\nusam_rows 0\n", "\nusam_upload_bytes 0\n"})
      if (metrics.find(line) == std::string::npos) return false;
    return true;
  };
  std::string metrics = client->Get("/metrics")->body;
  for (int i = 0; i < 500 && !is_told(metrics); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    metrics = client->Get("/metrics")->body;
  }
  EXPECT_TRUE(is_told(metrics)) << metrics;
  const auto page = client->Get("/");
  EXPECT_EQ(page->body, text_of("tools/serve/page.html"));
}

TEST_F(Serve, RefusesWithASentence) {
  const auto expect = [](const Reply& reply, int status, const std::string& message) {
    EXPECT_EQ(reply.status, status);
    EXPECT_EQ(reply.message(), message);
  };
  const auto client = server().client();
  expect(reply_of(client->Get("/v2")), 404, "There is nothing at /v2.");
  expect(reply_of(client->Get(kChat)), 405, "/v1/chat/completions takes POST, not GET.");
  expect(reply_of(client->Post("/health", "x", "text/plain")), 405, "/health takes GET, not POST.");
  expect(transcribe(server(), ""), 400, "The audio 'clip.wav': the audio file is empty.");
  expect(transcribe(server(), "PK\x03\x04 and so on", {}, "music.wav"), 400,
         "The audio 'music.wav': cannot be read as audio: Format not recognised (wav, flac, ogg, opus, mp3, aiff, au, "
         "caf and w64 can).");
  expect(transcribe(server(), bytes_of_clip("long")), 400, "The audio 'clip.wav': the audio is longer than 2 s.");
  expect(transcribe(server(), bytes_of_clip("test0"), {{"model", "gpt-4o"}}), 404,
         "There is no model 'gpt-4o' here, only 'tiny'.");
  expect(reply_of(client->Post(kTranscriptions, "x", "text/plain")), 400,
         "The body must be multipart/form-data, not 'text/plain'.");
  expect(reply_of(client->Post(kChat, "{", "application/json")), 400,
         "The body cannot be used: it is not valid JSON (at byte 2).");
}

std::string gzip(const std::string& bytes) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY);
  std::string out(bytes.size() / 500 + 100000, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

// Clients that do not keep to HTTP, or want to be expensive. The server has 1 MiB for uploads.
TEST(ServeLimits, StrangersCostLittle) {
  const Server server({"--max-upload-mb", "1"});
  const auto status = [&](const std::string& bytes) { return send_raw(server, bytes).substr(0, 12); };
  const std::string post = std::string("POST ") + kChat + " HTTP/1.1\r\nContent-Type: application/json\r\n";
  EXPECT_EQ(status("nonsense\r\n\r\n"), "HTTP/1.1 400");
  EXPECT_EQ(status("GET /" + std::string(9000, 'a') + " HTTP/1.1\r\n\r\n"), "HTTP/1.1 414");
  EXPECT_EQ(status("GET / HTTP/1.1\r\nX: " + std::string(9000, 'a') + "\r\n\r\n"), "HTTP/1.1 400");
  EXPECT_EQ(status("GET / HTTP/1.1\r\nX: " + std::string(1 << 20, 'a')), "HTTP/1.1 400");
  std::string many = "GET / HTTP/1.1\r\n";
  for (int i = 0; i < 20000; ++i) many += "X" + std::to_string(i) + ": y\r\n";
  EXPECT_EQ(status(many + "\r\n"), "HTTP/1.1 400");
  EXPECT_EQ(status("GET /health HTTP/1.1\r\nConnection: close\r\nRange: bytes=" + std::string(8000, '1') + "-\r\n\r\n"),
            "HTTP/1.1 416");
  EXPECT_EQ(status("GET /health HTTP/1.1\r\nConnection: close\r\nRange: bytes=99999-\r\n\r\n"), "HTTP/1.1 200");
  EXPECT_EQ(status(post + "Content-Length: 99999999999\r\n\r\n{"), "HTTP/1.1 413");
  EXPECT_EQ(status(post + "Content-Length: -1\r\n\r\n{"), "HTTP/1.1 413");
  EXPECT_EQ(status(post + "Transfer-Encoding: chunked\r\n\r\nzz\r\n"), "HTTP/1.1 400");
  std::string chunks = post + "Transfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 64; ++i) chunks += "10000\r\n" + std::string(65536, ' ') + "\r\n";
  EXPECT_EQ(status(chunks), "HTTP/1.1 413");
  const auto bomb = gzip(std::string(200 << 20, ' '));
  EXPECT_EQ(
      status(post + "Content-Encoding: gzip\r\nContent-Length: " + std::to_string(bomb.size()) + "\r\n\r\n" + bomb),
      "HTTP/1.1 413");
  const auto huge = transcribe(server, std::string(4 << 20, 'x'));
  EXPECT_EQ(huge.status, 413);
  EXPECT_EQ(huge.message(), "The body is larger than 2.0 MiB (--max-upload-mb).");
  EXPECT_EQ(transcribe(server, bytes_of_clip("test0")).status, 200);
  EXPECT_LT(server.megabytes("VmHWM"), 700);
}

TEST(ServeLimits, KeysAreAskedFor) {
  const Server server({"--api-key", "secret"});
  const auto bytes = bytes_of_clip("test0");
  const auto refused = transcribe(server, bytes);
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(refused.message(),
            "The header 'Authorization: Bearer KEY' is missing or holds another key than --api-key.");
  const auto client = server.client();
  EXPECT_EQ(client->Get("/v1/models")->status, 401);
  EXPECT_EQ(client->Get("/")->status, 200);
  EXPECT_EQ(Json::parse(client->Get("/health")->body).at("needs_key"), true);
  for (const char* key : {"secre", "secret2", "Secret", ""}) {
    client->set_bearer_token_auth(key);
    EXPECT_EQ(client->Get("/v1/models")->status, 401) << key;
  }
  client->set_bearer_token_auth("secret");
  EXPECT_EQ(client->Get("/v1/models")->status, 200);
}

TEST(ServeLimits, WaitingHasAnEnd) {
  const Server none({"--timeout", "0.001"});
  const auto late = transcribe(none, bytes_of_clip("test0"));
  EXPECT_EQ(late.status, 504);
  EXPECT_EQ(late.message(), "The answer was not complete within 0.0 s (--timeout).");

  // No queue and one row: of many at a time some are turned away and told when to come again.
  const Server full({"--queue", "0", "--max-batch-rows", "1"});
  std::vector<std::jthread> clients;
  std::vector<Reply> replies(24);
  for (auto& reply : replies)
    clients.emplace_back([&] { reply = transcribe(full, bytes_of_clip("test0"), {{"task", "ASR"}}); });
  clients.clear();
  int64_t served = 0;
  for (const auto& reply : replies) {
    served += reply.status == 200;
    if (reply.status == 200) continue;
    EXPECT_EQ(reply.status, 429) << reply.body;
    EXPECT_EQ(reply.headers.find("Retry-After")->second, "1");
  }
  EXPECT_GE(served, 1);
}

// What runs is finished, what comes is refused, and the exit is clean.
TEST(ServeSignals, AnswersUnderWayAreFinished) {
  const auto expected = tiny().text("test0", "--task ASR --min-new-tokens 400 --max-new-tokens 400");
  Server server({"--max-new-tokens", "400"});
  std::vector<Reply> replies(4);
  {
    std::vector<std::jthread> clients;
    for (size_t i = 0; i < replies.size(); ++i) {
      clients.emplace_back([&, i] {
        replies[i] = transcribe(server, bytes_of_clip("test0"), i % 2 ? FormFields{{"stream", "true"}} : FormFields{});
      });
    }
    const auto client = server.client();
    for (int i = 0; i < 400 && client->Get("/metrics")->body.find("usam_requests_under_way 4") == std::string::npos;
         ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    server.signal(SIGTERM);
  }
  EXPECT_EQ(server.wait(), 0) << server.errors();
  for (const auto& reply : replies) {
    ASSERT_EQ(reply.status, 200) << reply.body;
    if (reply.body.starts_with("data: ")) EXPECT_NE(reply.body.find("transcript.text.done"), std::string::npos);
  }
}

TEST(ServeSignals, AnIdleServerStopsAtOnce) {
  Server server;
  const auto client = server.client();
  client->set_keep_alive(true);
  EXPECT_EQ(client->Get("/health")->status, 200);
  const auto begun = std::chrono::steady_clock::now();
  server.signal(SIGINT);
  EXPECT_EQ(server.wait(), 0);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(4));
}

TEST(ServeOptions, AreChecked) {
  const auto refused = [](const std::string& options) {
    const auto err = tiny().file("refused");
    const int status = std::system(
        (std::string(USAM_SERVE) + " --checkpoint " + tiny().checkpoint() + " " + options + " >/dev/null 2>" + err)
            .c_str());
    EXPECT_EQ(WEXITSTATUS(status), 2);
    auto text = text_of(err);
    return text.substr(text.rfind('\n', text.size() - 2) + 1);
  };
  EXPECT_EQ(refused("--host 203.0.113.7 --port 0"),
            "203.0.113.7:0 cannot be listened on: Cannot assign requested address.\n");
  const Server other;
  const auto port = std::to_string(other.port());
  EXPECT_EQ(refused("--port " + port), "127.0.0.1:" + port + " cannot be listened on: Address already in use.\n");
}

TEST(ServeOptions, OtherHostsAreWarnedOf) {
  Server server({"--host", "0.0.0.0"});
  EXPECT_NE(
      server.errors().find("0.0.0.0 can be reached from other machines and asks nobody who they are: anyone there "
                           "can use the model. Give --api-key, or --host 127.0.0.1."),
      std::string::npos)
      << server.errors();
}

}  // namespace
}  // namespace usam::test
