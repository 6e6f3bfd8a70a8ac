#pragma once
#include <atomic>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "data/source.h"

namespace usam {

// What is asked about clips that say nothing themselves. A task or prompt that is given goes before a manifest's own.
struct AskedOfAll {
  std::string task, prompt;
};

// The clips that a command line names, in its order: files, folders (all audio in them and below, by name), manifests
// (.jsonl) and "-", standard input with a path a line, which is read as its lines come.
class Inputs {
 public:
  // UserError: a folder without audio, a manifest that cannot be used, clips without a task and a prompt. A file that
  // is not there is its clip's own failure.
  Inputs(const std::vector<std::string>& paths, AskedOfAll asked);

  // A clip: `audio` is the path as given, made absolute in the row.
  struct Clip {
    std::string audio;
    data::Row row;
    bool is_of_manifest = false;
  };
  // The next one; nothing at the end, and when stop() was called while standard input was waited for.
  std::optional<Clip> next();
  void stop() { is_stopped_ = true; }

  bool reads_standard_input() const { return reads_input_; }
  // Clips besides those that standard input names.
  int64_t known() const { return known_; }
  // Files in folders that are no audio by their names.
  int64_t ignored() const { return ignored_; }

 private:
  Clip file(const std::string& path) const;
  void add_folder(const std::string& path);
  void add_manifest(const std::string& path);
  std::optional<std::string> next_line();

  AskedOfAll asked_;
  std::deque<std::optional<Clip>> clips_;  // nothing: standard input's turn
  bool reads_input_ = false;
  int64_t known_ = 0, ignored_ = 0;
  std::string read_;  // of standard input, beyond the last line given
  bool is_at_end_ = false;
  std::atomic<bool> is_stopped_ = false;
};

}  // namespace usam
