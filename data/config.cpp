#include "data/config.h"

#include <fmt/format.h>

#include <algorithm>

#include "data/sources/open.h"
#include "src/base/text.h"

namespace usam::data {
namespace {

std::string window_problem(const DataConfig& c) {
  const bool windows = c.long_audio == LongAudio::kWindow;
  if (!windows && c.window) return "'data.window' is for 'data.long_audio: window': remove it or set that";
  if (!windows) return "";
  if (!c.window)
    return "'data.long_audio: window' needs 'data.window: {max_seconds: ..., long_audio: ...}', the longest clip and "
           "what to do with longer ones";
  if (c.window->overlap >= c.max_seconds)
    return fmt::format("'data.window.overlap' is {}, but windows have 'data.max_seconds', {}: lower it",
                       c.window->overlap, c.max_seconds);
  if (c.window->max_seconds <= c.max_seconds)
    return fmt::format("'data.window.max_seconds' is {}, but a window alone has 'data.max_seconds', {}: raise it",
                       c.window->max_seconds, c.max_seconds);
  return "";
}

std::string blend_problem(const DataConfig& c) {
  bool has_weights = false;
  for (const ManifestConfig& manifest : c.train) has_weights = has_weights || manifest.weight != 1;
  if (c.blend.temperature && has_weights)
    return "'data.blend.temperature' makes the weights of 'data.train': give no 'weight' there, or no temperature";
  if (c.curriculum.empty()) return "";
  if (c.blend.temperature || has_weights)
    return "'data.curriculum' gives the weights of 'data.train': give no 'weight' there and no 'data.blend'";
  return curriculum_problem(c.curriculum, c.train.size());
}

}  // namespace

LengthLimit length_limit(const DataConfig& config) {
  if (config.long_audio != LongAudio::kWindow) return {config.max_seconds, config.long_audio, "data."};
  const WindowConfig& window = config.window.value();
  return {window.max_seconds, window.long_audio, "data.window."};
}

void describe(Fields& f, ManifestConfig& c) {
  f("path", c.path, "manifest: JSONL, tar shards, a Kaldi folder, ...: docs/data.md").required().must_exist();
  f("weight", c.weight, "how often its rows are seen in an epoch on average").more_than(0).at_most(1000);
  f("format", c.format, "how its rows are written; auto looks at names and first rows").check([&c] {
    const auto names = format_names();
    if (std::ranges::find(names, c.format) != names.end()) return std::string();
    const std::string near = nearest_name(c.format, names);
    return fmt::format("there is no format '{}'{}; formats are: {}", c.format,
                       near.empty() ? "" : fmt::format(", did you mean '{}'?", near), join_words(names));
  });
  f("task", c.task, "task of rows that name none");
  f("prompt", c.prompt, "prompt of rows that have none, instead of their task's");
  f("tasks", c.tasks, "other names of tasks: what its rows say -> what the run says");
  f("tars", c.tars, "tars of a nemo_tarred manifest; the audio_*.tar beside it otherwise").check([&c] {
    const bool is_fine = c.tars.empty() || c.format == "nemo_tarred";
    return std::string(is_fine ? "" : "'tars' is for 'format: nemo_tarred': set that or remove it");
  });
  f("audio_root", c.audio_root, "folder of relative audio paths; the manifest's own otherwise").must_exist();
  f("prefix", c.prefix, "moved data: beginnings of audio paths -> what they are replaced by");
  f.from_scalar("path");
}

void describe(Fields& f, BudgetConfig& c) {
  f("seconds", c.seconds, "most audio in a micro-batch: rows times the longest clip").more_than(0).at_most(1e9);
  f("rows", c.rows, "most rows in a micro-batch").at_least(1);
  f("tokens", c.tokens, "most tokens in a micro-batch: rows times the longest sequence of audio and text")
      .at_least(1)
      .at_most(1'000'000'000'000);
  f("quadratic_seconds", c.quadratic_seconds, "Q: a clip of s seconds counts as s + s^2 / Q").more_than(0);
  f("quadratic_tokens", c.quadratic_tokens, "Q: a sequence of n tokens counts as n + n^2 / Q").more_than(0);
  f.rule([&c]() -> std::string {
    if (!c.seconds && !c.rows && !c.tokens) return "'batch' needs 'seconds', 'tokens', 'rows' or several of them";
    if (c.quadratic_seconds && !c.seconds) return "'batch.quadratic_seconds' needs 'batch.seconds'";
    if (c.quadratic_tokens && !c.tokens) return "'batch.quadratic_tokens' needs 'batch.tokens'";
    return "";
  });
}

void describe(Fields& f, WindowConfig& c) {
  f("overlap", c.overlap, "seconds that a window shares with the next; frames change over in their middle").at_least(0);
  f("max_seconds", c.max_seconds, "longest clip").required().more_than(0).at_most(86400);
  f.choice("long_audio", c.long_audio,
           {{"error", LongAudio::kError}, {"drop", LongAudio::kDrop}, {"truncate", LongAudio::kTruncate}},
           "what to do with longer clips")
      .required();
}

void describe(Fields& f, DataConfig& c) {
  f("train", c.train, "manifests to train on").or_single();
  f("valid", c.valid, "manifests that the best checkpoint is chosen by").or_single();
  f("test", c.test, "manifests that usam-eval scores").or_single().resumable();
  f("index_dir", c.index_dir, "where indices of large manifests are kept; beside them or in the user's cache otherwise")
      .relative_to_cwd()
      .resumable();
  f("batch", c.batch, "what a micro-batch may hold: `seconds`, `rows`, `tokens` or several of them");
  f("shuffle", c.shuffle, "draw the order of the rows anew in each epoch");
  f("threads", c.threads, "loader threads; 0: load only while training waits").at_least(0).at_most(256).resumable();
  f.choice("on_error", c.on_error, {{"skip", OnError::kSkip}, {"fail", OnError::kFail}},
           "what to do with unreadable audio")
      .resumable();
  f("max_skipped", c.max_skipped, "share of an epoch's rows that may be skipped, over all ranks")
      .at_least(0)
      .at_most(1)
      .resumable();
  f.choice("long_audio", c.long_audio,
           {{"error", LongAudio::kError},
            {"drop", LongAudio::kDrop},
            {"truncate", LongAudio::kTruncate},
            {"window", LongAudio::kWindow}},
           "what to do with clips above max_seconds")
      .required();
  f("max_seconds", c.max_seconds, "longest clip; with long_audio: window, of a window").more_than(0).at_most(86400);
  f("window", c.window, "clips of several windows (long_audio: window)");
  f("cache_memory", c.cache_memory,
    "MB for featurised clips that are kept from epoch to epoch, per data set; where augment changes the wave none are")
      .at_least(0)
      .resumable();
  f("augment", c.augment, "changes of training clips");
  f("blend", c.blend, "weights of the training manifests from their sizes");
  f("curriculum", c.curriculum, "phases of training, each with weights for the manifests of train");
  f.rule([&c] { return window_problem(c); });
  f.rule([&c] { return blend_problem(c); });
  f.rule([&c] {
    for (const auto* manifests : {&c.valid, &c.test}) {
      for (const auto& manifest : *manifests) {
        if (manifest.weight != 1)
          return std::string("'valid' and 'test' take no 'weight': each of their rows is scored once");
      }
    }
    return std::string();
  });
}

}  // namespace usam::data
