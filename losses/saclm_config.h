#pragma once
#include "src/base/config.h"

namespace usam::losses {

enum class Decision { kTopK, kThreshold };
enum class TextScore { kAttention, kPooled };
enum class Regularizer { kRatio, kL1 };
enum class Negatives { kMicroBatch, kRanks };
enum class Conditioning { kPair, kNone };

// Numbers in brackets are steps of saclm.cpp and of docs/model.md.
struct SaclmConfig {
  double weight = 1;
  double beta = 0.5;                                // [1] share of the guide in the significance
  TextScore text_score = TextScore::kAttention;     // [1]
  int64_t score_hidden = 1024;                      // [1]
  Decision decision = Decision::kTopK;              // [2]
  double rho = 0.5;                                 // [2, 6] share of frames that is kept
  double threshold = 0.5;                           // [2]
  int64_t slots = 4;                                // [3]
  int64_t slot_hidden = 256;                        // [3]
  double margin = 0.2;                              // [5]
  Negatives negatives = Negatives::kMicroBatch;     // [5]
  Regularizer regularizer = Regularizer::kRatio;    // [6]
  double distill = 0.1;                             // [7]
  Conditioning conditioning = Conditioning::kPair;  // [8]
};

void describe(Fields& f, SaclmConfig& c);

// Why a combination of options is refused; "" when it is fine.
std::string saclm_problem(const SaclmConfig& c);

}  // namespace usam::losses
