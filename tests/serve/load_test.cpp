// Many clients at a time, some of whom send nonsense or much, or hang up.
#include <random>

#include "tests/serve/server.h"

namespace usam::test {
namespace {

TEST(ServeLoad, TwoHundredAtATime) {
  const std::vector<std::string> names = {"test0", "test1", "test2", "test3", "test4", "test5"};
  std::map<std::string, std::string> texts, bytes;
  for (const auto& name : names) texts[name] = tiny().text(name), bytes[name] = text_of(tiny().clip(name));
  const Server server({"--max-upload-mb", "4"});
  EXPECT_EQ(transcribe(server, bytes["test0"]).json().at("text"), texts["test0"]);  // all is loaded
  const double before = server.megabytes("VmHWM");

  constexpr int kClients = 200;
  std::atomic<int> right = 0, refused = 0, gone = 0;
  const auto begun = std::chrono::steady_clock::now();
  {
    std::vector<std::jthread> clients;
    for (int i = 0; i < kClients; ++i) {
      clients.emplace_back([&, i] {
        const auto& name = names[static_cast<size_t>(i) % names.size()];
        const auto& clip = bytes[name];
        const int kind = i % 10;
        if (kind < 6) {
          const auto reply = transcribe(server, clip, kind % 2 ? FormFields{{"stream", "true"}} : FormFields{});
          ASSERT_EQ(reply.status, 200) << reply.body;
          const auto last = kind % 2 ? Json::parse(events_of(reply.body).back()) : reply.json();
          EXPECT_EQ(last.at("text"), texts[name]);
          ++right;
        } else if (kind == 6) {  // no audio
          std::string damaged = clip;
          std::mt19937 random(static_cast<uint32_t>(i));
          for (size_t k = 0; k < 44; ++k) damaged[k] = static_cast<char>(random());
          EXPECT_EQ(transcribe(server, damaged).status, 400);
          ++refused;
        } else if (kind == 7) {  // too much
          EXPECT_EQ(transcribe(server, std::string(16 << 20, 'x')).status, 413);
          ++refused;
        } else if (kind == 8) {  // no HTTP, no form
          const std::string head =
              std::string("POST ") + kTranscriptions +
              " HTTP/1.1\r\nConnection: close\r\nContent-Type: multipart/form-data; boundary=b\r\n";
          const auto heard = send_raw(server, head + "Content-Length: 9\r\n\r\n--b\r\n\r\n\r\n");
          EXPECT_EQ(heard.substr(0, 12), "HTTP/1.1 400") << heard;
          ++refused;
        } else {  // hangs up in the middle of the answer
          const std::string body =
              "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n" + clip + "\r\n--b--";
          send_raw(server,
                   std::string("POST ") + kTranscriptions +
                       " HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=b\r\n" +
                       "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body,
                   0);
          ++gone;
        }
      });
    }
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  EXPECT_EQ(right, 120);
  EXPECT_EQ(refused, 60);
  EXPECT_EQ(gone, 20);
  EXPECT_TRUE(server.is_running());
  const double grown = server.megabytes("VmHWM") - before;
  EXPECT_LT(grown, 600) << "MiB";
  std::printf("%d clients in %.1f s, %.0f MiB beyond the %.0f before\n", kClients, took.count(), grown, before);

  // Nobody is left, and nothing of theirs.
  const auto client = server.client();
  std::string metrics;
  for (int i = 0; i < 100; ++i) {
    metrics = client->Get("/metrics")->body;
    if (metrics.find("usam_requests_under_way 0\n") != std::string::npos &&
        metrics.find("usam_rows 0\n") != std::string::npos)
      break;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  for (const char* line :
       {"usam_requests_under_way 0\n", "usam_rows 0\n", "usam_queue_length 0\n", "usam_upload_bytes 0\n"})
    EXPECT_NE(metrics.find(line), std::string::npos) << line << metrics;
  EXPECT_EQ(transcribe(server, bytes["test3"]).json().at("text"), texts["test3"]);
}

}  // namespace
}  // namespace usam::test
