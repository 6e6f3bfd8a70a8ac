#pragma once
// usam-serve on a tiny model that is trained once, and clients that keep to HTTP or do not.
#include <arpa/inet.h>
#include <fcntl.h>
#include <httplib.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <map>
#include <memory>
#include <thread>

#include "tests/train/process.h"

namespace usam::test {

// A run of a few steps, for all tests of a binary.
class TinyCheckpoint : public ProgramTest {
 public:
  std::string checkpoint() const { return path("run/best"); }
  std::string clip(const std::string& name) const { return corpus_.path(name + ".wav"); }
  std::string file(const std::string& name) const { return path(name); }
  // What usam-generate prints for these arguments.
  Ended generate(const std::string& arguments) const {
    return run(USAM_GENERATE, "--checkpoint " + checkpoint() + " " + arguments);
  }
  // Its text for a clip.
  std::string text(const std::string& clip_name, const std::string& options = "--task ASR") const {
    const auto ended = generate(options + " " + clip(clip_name));
    EXPECT_EQ(ended.code, 0) << ended.errors;
    return Json::parse(ended.output).at("text").get<std::string>();
  }
  const Corpus& corpus() const { return corpus_; }

 private:
  friend const TinyCheckpoint& tiny();
  TinyCheckpoint() {
    const auto ended = train_tiny();
    if (ended.code != 0) throw std::runtime_error(ended.errors);
  }
  void TestBody() override {}
};

inline const TinyCheckpoint& tiny() {
  static const TinyCheckpoint one;
  return one;
}

// A server of its own; it is killed where it still runs at the end.
class Server {
 public:
  explicit Server(const std::vector<std::string>& options = {}, const std::string& checkpoint = tiny().checkpoint()) {
    int out[2];
    if (pipe2(out, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    errors_ = tiny().file("serve-errors");
    std::vector<std::string> words = {USAM_SERVE, "--checkpoint", checkpoint, "--port", "0", "--model-name", "tiny"};
    words.insert(words.end(), options.begin(), options.end());
    process_ = fork();
    if (process_ == 0) {
      std::vector<char*> arguments;
      for (auto& word : words) arguments.push_back(word.data());
      arguments.push_back(nullptr);
      dup2(out[1], STDOUT_FILENO);
      dup2(open(errors_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
      execv(USAM_SERVE, arguments.data());
      _exit(127);
    }
    close(out[1]);
    std::string line;
    for (char c; read(out[0], &c, 1) == 1 && c != '\n';) line += c;
    close(out[0]);
    if (line.rfind(':') == std::string::npos) throw std::runtime_error("the server did not start: " + errors());
    address_ = line;
    port_ = std::stoi(line.substr(line.rfind(':') + 1));
  }
  ~Server() {
    if (process_ == 0) return;
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  const std::string& address() const { return address_; }
  int port() const { return port_; }
  std::string errors() const { return text_of(errors_); }
  void signal(int number) const { kill(process_, number); }
  // Its exit code, -1 where a signal ended it.
  int wait() {
    int status = 0;
    waitpid(process_, &status, 0);
    process_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  bool is_running() const { return waitpid(process_, nullptr, WNOHANG) == 0; }
  // A line of /proc/PID/status, in MiB.
  double megabytes(const std::string& name) const {
    std::ifstream in("/proc/" + std::to_string(process_) + "/status");
    for (std::string line; std::getline(in, line);)
      if (line.starts_with(name + ":")) return std::stod(line.substr(name.size() + 1)) / 1024;
    return 0;
  }
  std::unique_ptr<httplib::Client> client() const {
    auto one = std::make_unique<httplib::Client>("127.0.0.1", port_);
    one->set_read_timeout(120);
    one->set_write_timeout(120);
    return one;
  }

 private:
  pid_t process_ = 0;
  int port_ = 0;
  std::string address_, errors_;
};

struct Reply {
  int status = 0;  // 0: none came
  std::string body;
  httplib::Headers headers;
  Json json() const { return Json::parse(body); }
  std::string message() const { return json().at("error").at("message").get<std::string>(); }
};
inline Reply reply_of(const httplib::Result& result) {
  if (!result) return {};
  return {result->status, result->body, result->headers};
}

inline constexpr const char* kTranscriptions = "/v1/audio/transcriptions";
inline constexpr const char* kChat = "/v1/chat/completions";

using FormFields = std::map<std::string, std::string>;
// Posts an audio file's bytes with the fields beside.
inline Reply transcribe(const Server& server, const std::string& bytes, const FormFields& fields = {},
                        const std::string& name = "clip.wav") {
  httplib::MultipartFormDataItems items = {{"file", bytes, name, "audio/wav"}};
  for (const auto& [field, value] : fields) items.push_back({field, value, "", ""});
  return reply_of(server.client()->Post(kTranscriptions, items));
}
inline Reply post_json(const Server& server, const std::string& path, const Json& body) {
  return reply_of(server.client()->Post(path, body.dump(), "application/json"));
}

// Sends bytes as they are and gives what comes back until the server closes, or for so long.
inline std::string send_raw(const Server& server, const std::string& bytes, int seconds = 20) {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(server.port()));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string heard;
  if (connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    for (size_t sent = 0; sent < bytes.size();) {
      const auto count = send(socket, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) break;
      sent += static_cast<size_t>(count);
    }
    for (pollfd ready{socket, POLLIN, 0}; poll(&ready, 1, 1000 * seconds) > 0;) {
      char buffer[4096];
      const auto count = recv(socket, buffer, sizeof buffer, 0);
      if (count <= 0) break;
      heard.append(buffer, static_cast<size_t>(count));
    }
  }
  close(socket);
  return heard;
}

// The data of a stream's events.
inline std::vector<std::string> events_of(const std::string& body) {
  std::vector<std::string> events;
  size_t at = 0;
  for (size_t end; (end = body.find("\n\n", at)) != std::string::npos; at = end + 2) {
    EXPECT_EQ(body.substr(at, 6), "data: ");
    events.push_back(body.substr(at + 6, end - at - 6));
  }
  EXPECT_EQ(at, body.size());
  return events;
}

}  // namespace usam::test
