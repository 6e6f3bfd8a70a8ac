#pragma once
// The subcommands of usam-inspect. Each prints its result on standard output or writes it to a file, returns the exit
// code, and throws UserError where what it is given cannot be read.
#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

namespace usam::inspect {

struct EncodeArguments {
  std::string encoder, audio, output;
};
// Runs an encoder's Hugging Face folder over an audio file and writes what the reference class computes for a batch of
// one: `input_features`, `hidden_states.0..N`, `last_hidden_state`. Whisper: (1, mels, 3000), cut or padded to 30 s.
// HuBERT and MERT: the normalised wave (1, n). CED: (1, 64, T) dB; tokens frequency-major, the closing norm in
// `last_hidden_state` only. A clip shorter than the encoder's minimum is zero-padded to it.
int encode(const EncodeArguments& arguments);

struct LogitsArguments {
  std::string llm, text, adapter, output;
  std::vector<int64_t> ids;
  bool has_text = false;  // the ids are those of `text`
};
// Runs a language model's Hugging Face folder, with a peft adapter where one is given, over ids or over the ids of a
// text (special tokens parsed, none added) and writes `ids` (1, T) and `logits` (1, T, V).
int logits(const LogitsArguments& arguments);

struct MergeArguments {
  std::string llm, adapter, output;
  std::vector<int64_t> ids;  // empty: random ones
  int64_t seed = 0;          // of these
};
// Merges a low-rank adapter of peft into its language model's weights, in fp32, and writes a Hugging Face folder: the
// base's files, its weights' types, the values merged; whole or absent. Prints {"output", "merged_tensors", "ids",
// "largest_logit", "largest_logit_drift"}: how far the logits of the ids moved, as the weights are stored, from those
// of base and adapter in fp32.
int merge(const MergeArguments& arguments, std::ostream& out);

// Makes one folder of a checkpoint, whole or absent, that usam-generate and usam-eval open on another machine: config,
// trained values with those of `init_from` under them, tokenizer/, adapter/, and the hashes of the base models, which
// are to be found there under --models or --base. Prints {"output", "tensors", "bases"}.
int export_checkpoint(const std::string& path, const std::string& output, std::ostream& out);

// Reads lines {"text"} and writes lines {"ids", "decoded", "decoded_skip_special"}: special tokens in the text are
// parsed, none added; the texts are what transformers' decode(ids) gives without and with skip_special_tokens.
int tokens(const std::string& tokenizer, std::istream& in, std::ostream& out);

struct DataArguments {
  std::string path;     // a config, or any source that it may name
  std::string html;     // the page to write, or empty
  std::string fix;      // the clean manifest to write, or empty
  std::string audio;    // none | headers | decode; empty: headers, or decode with `fix`
  int64_t threads = 0;  // 0: one for each processor
};
// What a source holds, or each of those that a config names, and what is wrong with it; for a config also what its
// micro-batches will be like (tools/inspect/data/report.h). Problems do not change the exit code; what is no manifest
// or config at all is a UserError.
int data(const DataArguments& arguments, std::ostream& out);

// What a checkpoint holds, or the checkpoints of a run's folder, with what is wrong with them; every file is hashed.
// Problems do not change the exit code; a path with neither is a UserError.
int checkpoint(const std::string& path, std::ostream& out);

// Writes one page about a run (tools/inspect/report/), RUN/report.html where `output` is empty, and prints where it is
// and what of the run could not be read. UserError: a folder that is not a run's.
int report(const std::string& run, const std::string& output, std::ostream& out);

// Prints what two or more runs come to and in which keys their configs differ; `output`: a page to write, or empty.
int compare(const std::vector<std::string>& runs, const std::string& output, std::ostream& out);

}  // namespace usam::inspect
