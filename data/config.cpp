#include "data/config.h"

#include <fmt/format.h>

namespace usam::data {

void describe(Fields& f, ManifestConfig& c) {
  f("path", c.path, "JSONL manifest, one {key, wav, label, task, dur} a line").required().must_exist();
  f("weight", c.weight, "how often its rows are seen in an epoch on average").more_than(0).at_most(1000);
  f.from_scalar("path");
}

void describe(Fields& f, BudgetConfig& c) {
  f("seconds", c.seconds, "most audio in a micro-batch: rows times the longest clip").more_than(0);
  f("rows", c.rows, "most rows in a micro-batch").at_least(1);
  f.rule([&c] { return std::string(c.seconds || c.rows ? "" : "'batch' needs 'seconds', 'rows' or both"); });
}

void describe(Fields& f, SpecAugmentConfig& c) {
  f("time_masks", c.time_masks, "masked stretches of time").at_least(0);
  f("time_width", c.time_width, "longest of them, in frames of 10 ms").at_least(1);
  f("frequency_masks", c.frequency_masks, "masked ranges of mel bands").at_least(0);
  f("frequency_width", c.frequency_width, "widest of them, in bands").at_least(1);
}

void describe(Fields& f, AugmentConfig& c) {
  f("spec", c.spec, "SpecAugment on log-mel features");
  f("speed", c.speed, "speed factors of which one is drawn for each clip").at_least(0.5).at_most(2);
  f("gain_db", c.gain_db, "gain is drawn from -gain_db to gain_db").at_least(0).at_most(60);
  f("tilt_db", c.tilt_db,
    "spectral slope, in dB between 0 Hz and half the sampling rate, is drawn from -tilt_db to tilt_db")
      .at_least(0)
      .at_most(40);
  f("noise_db", c.noise_db, "[lowest, highest] signal-to-noise ratio of added noise").at_least(-20).at_most(120);
  f.rule([&c] {
    const bool is_range = !c.noise_db || (c.noise_db->size() == 2 && c.noise_db->at(0) <= c.noise_db->at(1));
    return std::string(is_range ? "" : "'noise_db' must be a range [lowest, highest]");
  });
}

void describe(Fields& f, DataConfig& c) {
  f("train", c.train, "manifests to train on").or_single();
  f("valid", c.valid, "manifests that the best checkpoint is chosen by").or_single();
  f("test", c.test, "manifests that usam-eval scores").or_single().resumable();
  f("batch", c.batch, "what a micro-batch may hold");
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
      .required()
      .check([&c] {
        return std::string(
            c.long_audio == LongAudio::kWindow
                ? "'data.long_audio: window' would part clips from their labels: choose error, drop or truncate; to "
                  "answer long recordings in windows, set evaluate.window"
                : "");
      });
  f("max_seconds", c.max_seconds, "longest clip").more_than(0).at_most(86400);
  f("cache_memory", c.cache_memory, "MB for featurised clips that are kept from epoch to epoch, per data set")
      .at_least(0)
      .resumable();
  f("augment", c.augment, "changes of training clips");
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
