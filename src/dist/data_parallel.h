#pragma once
// How the ranks share a model that all of them train (`parallel.strategy`).
#include <torch/torch.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "src/dist/communicator.h"

namespace usam::dist {

enum class Strategy {
  kDdp,    // every rank holds everything; gradients are summed
  kZero1,  // as ddp, but each rank updates an equal stretch of the parameters and holds optimizer states for it alone
  kFsdp,   // weights, gradients and optimizer states lie in equal stretches; a block's weights are whole while it runs
};

using NamedParameters = std::vector<std::pair<std::string, torch::Tensor>>;

// What one rank updates of a trained parameter.
struct Piece {
  std::string name;            // the parameter's
  std::vector<int64_t> shape;  // of the whole parameter
  int64_t begin = 0;           // of the piece in the flattened parameter
  torch::Tensor values;        // a leaf: the parameter itself, or a stretch of it with as many axes, all 1 but the last
};

// Every rank calls the same functions in the same order.
class DataParallel {
 public:
  virtual ~DataParallel() = default;
  // What this rank updates of every parameter, in a fixed order; empty pieces of those that lie on other ranks.
  const std::vector<Piece>& pieces() const { return pieces_; }
  // Whether other ranks update other pieces, so that a figure over all gradients is a sum over ranks.
  virtual bool is_shared() const { return false; }

  // What is exchanged, in what order, as text: for ranks to compare before they begin.
  virtual std::string order() const = 0;

  // Before and after the passes of a step or of an evaluation, which run between the two.
  virtual void enter() {}
  virtual void leave() {}
  // Bytes of what this rank holds all the time beside the module's own tensors: shards, buckets.
  virtual int64_t held_bytes() const { return 0; }
  // Forgets the gradients of the last step.
  virtual void clear_gradients() = 0;
  // The next backward pass is the step's last, and reaches every parameter: gradients may leave for the other ranks
  // while it still computes the rest.
  virtual void expect_last_backward() {}
  // After the last backward pass: every piece has a gradient, the sum over the ranks.
  virtual void finish() = 0;
  // After an update of the pieces: every rank has the new values where it needs them.
  virtual void updated() {}
  // Copies of all trained values, whole, in host memory: on the first rank; nothing on the others.
  virtual NamedParameters host_values() = 0;

 protected:
  std::vector<Piece> pieces_;
};

// Takes a model that lies in host memory to `device`, as the strategy says. `trained`: its parameters that are trained.
// `autocast`: the type that passes run in under autocast, if they do; fsdp then fetches the trained matrices of blocks
// in this type, as autocast would use them.
std::unique_ptr<DataParallel> distribute(torch::nn::Module& module, const NamedParameters& trained,
                                         torch::Device device, const std::shared_ptr<Communicator>& ranks,
                                         Strategy strategy, std::optional<torch::ScalarType> autocast = std::nullopt);

// Strategy::kFsdp for distribute().
std::unique_ptr<DataParallel> make_fsdp(torch::nn::Module& module, torch::Device device,
                                        const std::shared_ptr<Communicator>& ranks,
                                        std::optional<torch::ScalarType> autocast);

}  // namespace usam::dist
