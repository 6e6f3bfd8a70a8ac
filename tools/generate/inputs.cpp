#include "tools/generate/inputs.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "data/audio/names.h"
#include "data/sources/open.h"
#include "src/base/error.h"

namespace usam {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLongestLine = 65536;

}  // namespace

Inputs::Inputs(const std::vector<std::string>& paths, AskedOfAll asked) : asked_(std::move(asked)) {
  bool needs_question = false;
  for (const auto& path : paths) {
    const bool is_manifest = path.ends_with(".jsonl");
    needs_question |= !is_manifest;
    if (path == "-") {
      if (reads_input_) user_error("Standard input (-) is named more than once.");
      reads_input_ = true;
      clips_.push_back(std::nullopt);
    } else if (is_manifest) {
      add_manifest(path);
    } else if (fs::is_directory(path)) {
      add_folder(path);
    } else {
      clips_.push_back(file(path));
    }
  }
  known_ = std::ssize(clips_) - reads_input_;
  if (needs_question && asked_.task.empty() && asked_.prompt.empty())
    user_error("Say what is asked about the audio: --task NAME or --prompt TEXT.");
}

Inputs::Clip Inputs::file(const std::string& path) const {
  Clip clip{path, {}, false};
  clip.row.key = path;
  clip.row.audios = {{.path = fs::absolute(path).lexically_normal()}};
  clip.row.task = asked_.task;
  clip.row.prompt = asked_.prompt;
  return clip;
}

void Inputs::add_folder(const std::string& folder) {
  std::vector<std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    if (data::audio::is_audio_name(entry.path().string()))
      found.push_back(entry.path().string());
    else
      ++ignored_;
  }
  if (found.empty()) user_error("{}: there is no audio in the folder.", folder);
  std::ranges::sort(found);
  for (const auto& path : found) clips_.push_back(file(path));
}

void Inputs::add_manifest(const std::string& path) {
  const auto manifest = data::open_manifests({{.path = {path}, .task = asked_.task}});
  for (int64_t i = 0; i < manifest->size(); ++i) {
    auto row = manifest->row(i);
    if (!asked_.task.empty()) row.task = asked_.task;
    if (!asked_.task.empty() || !asked_.prompt.empty()) row.prompt = asked_.prompt;
    clips_.push_back(Clip{row.audio().shown(), std::move(row), true});
  }
}

std::optional<Inputs::Clip> Inputs::next() {
  while (!clips_.empty()) {
    if (clips_.front()) {
      auto clip = std::move(clips_.front());
      clips_.pop_front();
      return clip;
    }
    if (const auto line = next_line()) return file(*line);
    clips_.pop_front();
  }
  return std::nullopt;
}

// Looks now and then whether anybody still wants it: a read would wait for ever.
std::optional<std::string> Inputs::next_line() {
  while (true) {
    const size_t end = is_at_end_ ? read_.size() : read_.find('\n');
    if (end != std::string::npos && (!is_at_end_ || !read_.empty())) {
      std::string line = read_.substr(0, read_.find('\n'));
      read_.erase(0, line.size() + 1);
      if (line.ends_with('\r')) line.pop_back();
      if (!line.empty()) return line;
      continue;
    }
    if (is_at_end_ || is_stopped_) return std::nullopt;
    if (read_.size() > kLongestLine)
      user_error("A line of standard input is longer than {} bytes: it is no path.", kLongestLine);
    pollfd ready{STDIN_FILENO, POLLIN, 0};
    if (poll(&ready, 1, 100) <= 0) continue;
    std::array<char, 4096> bytes;
    const auto count = read(STDIN_FILENO, bytes.data(), bytes.size());
    if (count <= 0)
      is_at_end_ = true;
    else
      read_.append(bytes.data(), static_cast<size_t>(count));
  }
}

}  // namespace usam
