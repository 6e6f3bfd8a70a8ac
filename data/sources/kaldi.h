#pragma once
#include <memory>
#include <string>
#include <vector>

#include "data/manifest.h"

namespace usam::data {

// Whether a path is a folder with a wav.scp.
bool is_kaldi_folder(const std::string& path);

// The lists of a folder that are read, the one that says which utterances there are first.
std::vector<std::string> kaldi_files(const std::string& folder);

// A Kaldi data folder: `wav.scp` and `text`, and where they are there `segments`, `utt2dur`, `utt2spk` and `utt2lang`
// (spk and lang of Row::extra). A row is an utterance, its line the one of `segments` or else of `wav.scp`. Commands
// that end in a pipe are never run, and places in archives (file.ark:123) not read: both are refused by name.
std::shared_ptr<Manifest> open_kaldi(const ManifestConfig& config, const ManifestOptions& options, SeenKeys& seen,
                                     ManifestProblems& problems);

}  // namespace usam::data
