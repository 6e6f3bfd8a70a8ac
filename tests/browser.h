#pragma once
// Pages in a headless Chromium, driven through the DevTools protocol on two pipes (--remote-debugging-pipe).
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "src/base/json.h"
#include "tests/support.h"

namespace usam::test {

// The program, or "" where none is installed.
inline std::string browser_program() {
  const char* set = std::getenv("USAM_BROWSER");
  if (set) return set;
  const char* const search = std::getenv("PATH");
  std::istringstream folders(search ? search : "");
  for (std::string folder; std::getline(folders, folder, ':');) {
    for (const char* name : {"/chromium-headless-shell", "/chromium", "/chrome-headless-shell", "/google-chrome"})
      if (std::filesystem::exists(folder + name)) return folder + name;
  }
  return "";
}
#define USAM_NEEDS_BROWSER()                 \
  if (usam::test::browser_program().empty()) \
  GTEST_SKIP() << "needs a headless Chromium (package chromium-headless-shell; set USAM_BROWSER)"

// One page at a time. What goes wrong with the browser itself throws std::runtime_error.
class Browser {
 public:
  Browser() {
    start();
    const auto target = call("Target.createTarget", {{"url", "about:blank"}}).at("targetId");
    session_ = call("Target.attachToTarget", {{"targetId", target}, {"flatten", true}}).at("sessionId");
    for (const char* domain : {"Page", "Runtime", "Log", "Network", "DOM"})
      call(std::string(domain) + ".enable", Json::object());
  }
  ~Browser() {
    close(to_);
    close(from_);
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
  }
  Browser(const Browser&) = delete;
  Browser& operator=(const Browser&) = delete;

  // As wide and high as a window of so many CSS pixels.
  void resize(int width, int height, bool is_phone = false) {
    call("Emulation.setDeviceMetricsOverride",
         {{"width", width}, {"height", height}, {"deviceScaleFactor", 1}, {"mobile", is_phone}});
  }
  // "dark" or "light", as the user's system prefers.
  void prefer(const std::string& scheme) {
    const Json feature = {{"name", "prefers-color-scheme"}, {"value", scheme}};
    call("Emulation.setEmulatedMedia", {{"features", Json::array({feature})}});
  }
  // Goes to a page and waits until it is loaded.
  void open(const std::string& url) {
    is_loaded_ = false;
    const Json went = call("Page.navigate", {{"url", url}});
    if (went.contains("errorText")) throw std::runtime_error(url + ": " + went["errorText"].get<std::string>());
    wait_until([this] { return is_loaded_; }, "loading " + url);
  }
  // The value of a JavaScript expression; a promise is waited for. An exception of the page's is thrown.
  Json evaluate(const std::string& expression) {
    const Json result =
        call("Runtime.evaluate",
             {{"expression", expression}, {"awaitPromise", true}, {"returnByValue", true}, {"userGesture", true}});
    if (result.contains("exceptionDetails"))
      throw std::runtime_error(expression + ": " + result["exceptionDetails"].dump());
    return result.at("result").value("value", Json());
  }
  // Evaluates until it is true, for a few seconds at most; whether it came true.
  bool comes_true(const std::string& expression, int seconds = 20) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    while (evaluate(expression) != Json(true)) {
      if (std::chrono::steady_clock::now() > end) return false;
      usleep(20000);
    }
    return true;
  }
  std::string dom() { return evaluate("document.documentElement.outerHTML").get<std::string>(); }
  // Chooses files in an <input type=file>.
  void choose_files(const std::string& selector, const std::vector<std::string>& paths) {
    const auto root = call("DOM.getDocument", Json::object()).at("root").at("nodeId");
    const auto node = call("DOM.querySelector", {{"nodeId", root}, {"selector", selector}}).at("nodeId");
    call("DOM.setFileInputFiles", {{"nodeId", node}, {"files", paths}});
  }
  // The page as a PNG, base64.
  std::string screenshot() { return call("Page.captureScreenshot", Json::object()).at("data").get<std::string>(); }

  // What pages wrote to the console as an error or a warning, and uncaught exceptions, since the browser was started.
  const std::vector<std::string>& complaints() const { return complaints_; }
  // The addresses that were asked for, data: URIs aside.
  const std::set<std::string>& requests() const { return requests_; }

 private:
  void start() {
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) throw std::runtime_error("no pipes for the browser");
    // The browser wants descriptors 3 and 4, which the pipes' own ends may be.
    const int input = fcntl(in[0], F_DUPFD_CLOEXEC, 10), output = fcntl(out[1], F_DUPFD_CLOEXEC, 10);
    to_ = fcntl(in[1], F_DUPFD_CLOEXEC, 10);
    from_ = fcntl(out[0], F_DUPFD_CLOEXEC, 10);
    for (const int end : {in[0], in[1], out[0], out[1]}) close(end);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input, 3);
    posix_spawn_file_actions_adddup2(&actions, output, 4);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    std::vector<std::string> words = {browser_program(),
                                      "--headless",
                                      "--no-sandbox",
                                      "--disable-gpu",
                                      "--mute-audio",
                                      "--remote-debugging-pipe",
                                      "--user-data-dir=" + folder_.path().string()};
    std::vector<char*> arguments;
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const int failed = posix_spawn(&process_, words[0].c_str(), &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    close(input);
    close(output);
    if (failed) throw std::runtime_error(words[0] + " could not be started");
  }

  Json call(const std::string& method, const Json& parameters) {
    Json message = {{"id", ++last_id_}, {"method", method}, {"params", parameters}};
    if (!session_.empty()) message["sessionId"] = session_;
    const std::string bytes = message.dump() + '\0';
    for (size_t done = 0; done < bytes.size();) {
      const auto written = write(to_, bytes.data() + done, bytes.size() - done);
      if (written <= 0) throw std::runtime_error("the browser ended before " + method);
      done += static_cast<size_t>(written);
    }
    answer_ = nullptr;
    wait_until([this] { return !answer_.is_null(); }, method);
    if (answer_.contains("error")) throw std::runtime_error(method + ": " + answer_["error"].dump());
    return answer_.at("result");
  }

  template <class Done>
  void wait_until(Done done, const std::string& what) {
    while (!done()) hear(what);
  }

  // Reads one message.
  void hear(const std::string& what) {
    size_t end;
    while ((end = heard_.find('\0')) == std::string::npos) {
      pollfd ready = {from_, POLLIN, 0};
      if (poll(&ready, 1, 60000) <= 0) throw std::runtime_error("the browser does not answer: " + what);
      char bytes[65536];
      const auto count = read(from_, bytes, sizeof bytes);
      if (count <= 0) throw std::runtime_error("the browser ended: " + what);
      heard_.append(bytes, static_cast<size_t>(count));
    }
    const Json message = Json::parse(heard_.substr(0, end));
    heard_.erase(0, end + 1);
    if (message.contains("id")) {
      if (message["id"] == last_id_) answer_ = message;
    } else {
      note(message.at("method"), message.at("params"));
    }
  }

  void note(const std::string& event, const Json& told) {
    if (event == "Page.loadEventFired") is_loaded_ = true;
    if (event == "Runtime.exceptionThrown") complaints_.push_back(told.at("exceptionDetails").dump());
    if (event == "Runtime.consoleAPICalled" && (told.at("type") == "error" || told.at("type") == "warning"))
      complaints_.push_back(told.at("args").dump());
    if (event == "Log.entryAdded") {
      const Json& entry = told.at("entry");
      if (entry.at("level") == "error" || entry.at("level") == "warning") complaints_.push_back(entry.dump());
    }
    if (event == "Network.requestWillBeSent") {
      const auto url = told.at("request").at("url").get<std::string>();
      if (!url.starts_with("data:")) requests_.insert(url);
    }
  }

  TemporaryFolder folder_;  // the browser's profile
  pid_t process_ = 0;
  int to_ = -1, from_ = -1, last_id_ = 0;
  std::string session_, heard_;
  Json answer_;
  bool is_loaded_ = false;
  std::vector<std::string> complaints_;
  std::set<std::string> requests_;
};

}  // namespace usam::test
