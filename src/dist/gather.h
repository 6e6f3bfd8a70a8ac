#pragma once
// What every rank has, where it need not be equally much.
#include <string>
#include <vector>

#include "src/dist/communicator.h"

namespace usam::dist {

// Every rank's tensor, in rank order, without gradients. The number of axes, dtype and kind of device agree; sizes may
// differ, and be 0.
std::vector<torch::Tensor> gather_unequal(const torch::Tensor& tensor, Communicator& ranks);
// The most that any rank has, the same on every rank.
double most_of_ranks(double mine, Communicator& ranks);
// Every rank's text, in rank order, on every rank.
std::vector<std::string> gather_texts(const std::string& text, Communicator& ranks);

}  // namespace usam::dist
