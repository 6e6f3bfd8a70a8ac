#pragma once
#include <memory>
#include <string>

#include "data/manifest.h"

namespace usam::data {

// Whether a path is a folder with a wav.scp.
bool is_kaldi_folder(const std::string& path);

// A Kaldi data folder: `wav.scp` and `text`, and where they are there `segments`, `utt2dur`, `utt2spk` and `utt2lang`
// (spk and lang of Row::extra). A row is an utterance, its line the one of `segments` or else of `wav.scp`. Commands
// that end in a pipe are never run, and places in archives (file.ark:123) not read: both are refused by name.
std::shared_ptr<Manifest> open_kaldi(const ManifestConfig& config, const ManifestOptions& options, SeenKeys& seen,
                                     ManifestProblems& problems);

}  // namespace usam::data
