#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace usam {

// A run that cannot go on: too many bad steps in a row. Programs exit with 1.
class TrainingFailed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Judges each step by its loss and gradient norm, which are the same on every rank, and so is the verdict.
class Guard {
 public:
  // `run`: the folder of bad_batches.jsonl; `writes`: whether this rank writes it.
  Guard(std::string run, int64_t max_bad_steps, bool writes);

  static bool finite(double loss, double gradient_norm);
  // Notes a dropped step: its sample keys (of all ranks) go to the log and to bad_batches.jsonl as
  // {"step", "loss", "grad_norm", "keys"}. Throws TrainingFailed at the max_bad_steps-th in a row.
  void dropped(int64_t step, double loss, double gradient_norm, const std::vector<std::string>& keys);
  void accepted() { in_a_row_ = 0; }
  // Dropped steps in a row up to now; a checkpoint carries it over.
  int64_t in_a_row() const { return in_a_row_; }
  void restore(int64_t in_a_row) { in_a_row_ = in_a_row; }

 private:
  std::string run_;
  int64_t max_bad_steps_, in_a_row_ = 0;
  bool writes_;
};

}  // namespace usam
