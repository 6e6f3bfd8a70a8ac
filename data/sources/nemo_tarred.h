#pragma once
#include <string>

#include "data/sources/tar_source.h"

namespace usam::data {

// NeMo's tarred sets: manifests {audio_filepath, duration, text, offset?, shard_id, ...} whose recordings are members
// of audio_0.tar, audio_1.tar, ... `manifest`: one file, or a pattern (shard_paths.h) as in
// `sharded_manifests/manifest__OP_0..127_CL_.json`; .gz too. `tars`: likewise; "": the audio_*.tar beside the manifest,
// or beside the folder sharded_manifests that it is in. A row's shard is its shard_id, or the number in its manifest's
// name, or the only one there is. A name like a-sub1.wav stands for the member a.wav where there is none of that name.
// Rows marked _skipme, and members that no row names, are left out. UserError as shard_paths, and for tars without
// different numbers in their names.
TarFormat nemo_tarred_format(const std::string& manifest, const std::string& tars);

// Whether a path has a name that NeMo's converter gives its manifests.
bool is_nemo_tarred(const std::string& path);

}  // namespace usam::data
