// Fully sharded training (Zhao et al. 2023, arXiv 2304.11277; PyTorch's FullyShardedDataParallel): every rank keeps an
// equal stretch of each unit's weights. A unit is one Block of the model, or the root: all that lies in no block, which
// is whole between enter() and leave().
#include <fmt/ranges.h>

#include <unordered_map>
#include <unordered_set>

#include "src/dist/flat.h"
#include "src/tensor/block.h"
#include "src/tensor/host_copy.h"

namespace usam::dist {
namespace {

// Gives up the memory behind a tensor, and all views of it, while the tensors themselves stay; takes new memory for
// them. What autograd has kept of them is whole again with the same values in it.
void release_memory(const torch::Tensor& tensor) {
  c10::StorageImpl* storage = tensor.storage().unsafeGetStorageImpl();
  storage->set_data_ptr_noswap(c10::DataPtr(nullptr, tensor.device()));
  storage->set_nbytes(0);
}

void take_memory(const torch::Tensor& tensor, int64_t elements) {
  const c10::DeviceGuard guard(tensor.device());
  c10::StorageImpl* storage = tensor.storage().unsafeGetStorageImpl();
  const auto bytes = static_cast<size_t>(elements) * tensor.element_size();
  storage->set_data_ptr_noswap(storage->allocator()->allocate(bytes));
  storage->set_nbytes(bytes);
}

// Some parameters of a unit, of one type, trained or not.
class Shard {
 public:
  // `used_as`: the type that the parameters have while they are whole.
  Shard(Flat flat, torch::Device device, Communicator& ranks, torch::ScalarType used_as)
      : flat_(std::move(flat)), ranks_(ranks) {
    own_ = torch::zeros({flat_.chunk()}, torch::dtype(flat_.type()).device(device));
    flat_.copy_chunk(own_, ranks_.rank());
    whole_ = torch::empty({flat_.size()}, own_.options().dtype(used_as));
    filled_ = whole_.variable_data();  // has a version counter of its own: filling is no change for autograd
    flat_.move_into(whole_);
    release_memory(whole_);
  }

  const Flat& flat() const { return flat_; }
  const torch::Tensor& own() const { return own_; }
  const torch::Tensor& gradient() const { return gradient_; }

  void start_fetch() {
    take_memory(whole_, flat_.size());
    sent_ = own_.to(whole_.scalar_type());
    fetch_ = ranks_.start_gather(filled_, sent_);
  }
  void end_fetch() {
    if (fetch_) fetch_->wait();
    fetch_.reset();
    sent_ = torch::Tensor();
  }
  void release() { release_memory(whole_); }

  // The gradients of the parameters, which are whole on this rank, become this rank's stretch of their sum.
  void start_reduction() {
    const torch::NoGradGuard no_grad;
    outgoing_ = torch::zeros({flat_.size()}, own_.options());
    for (size_t i = 0; i < flat_.parameters().size(); ++i) {
      torch::Tensor parameter = flat_.parameters()[i].second;
      if (parameter.grad().defined()) flat_.place(outgoing_, i).copy_(parameter.grad());
      parameter.mutable_grad() = torch::Tensor();
    }
    incoming_ = torch::empty_like(own_);
    reduction_ = ranks_.start_scatter_sum(incoming_, outgoing_);
  }
  void end_reduction() {
    if (!reduction_) return;
    const torch::NoGradGuard no_grad;
    reduction_->wait();
    gradient_ = gradient_.defined() ? gradient_.add_(incoming_) : incoming_;
    reduction_.reset();
    outgoing_ = incoming_ = torch::Tensor();
  }
  void clear_gradient() {
    gradient_ = torch::Tensor();
    for (const auto& [name, parameter] : flat_.parameters()) parameter.mutable_grad() = torch::Tensor();
  }
  void need_gradient() {
    if (!gradient_.defined()) gradient_ = torch::zeros_like(own_);
  }

 private:
  Flat flat_;
  Communicator& ranks_;
  torch::Tensor own_, gradient_;  // chunk
  torch::Tensor whole_, filled_;  // one memory, there between start_fetch() and release()
  torch::Tensor sent_, outgoing_, incoming_;
  std::unique_ptr<Pending> fetch_, reduction_;
};

// What is fetched and released together.
class Unit {
 public:
  // `autocast`: the type of trained fp32 matrices while they are whole, where passes run under autocast.
  Unit(const NamedParameters& parameters, torch::Device device, Communicator& ranks,
       std::optional<torch::ScalarType> autocast) {
    NamedParameters frozen, trained, cast;
    for (const auto& named : parameters) {
      const torch::Tensor& value = named.second;
      const bool is_cast = autocast && value.dim() > 1 && value.scalar_type() == torch::kFloat;
      (!value.requires_grad() ? frozen : is_cast ? cast : trained).push_back(named);
    }
    const auto add = [&](std::vector<Shard>& shards, const NamedParameters& some, bool is_cast) {
      for (Flat& flat : flats_by_type(some, ranks.world())) {
        const auto type = flat.type();
        shards.emplace_back(std::move(flat), device, ranks, is_cast ? *autocast : type);
      }
    };
    add(frozen_, frozen, false);
    add(trained_, trained, false);
    add(trained_, cast, true);
  }

  // Its parameters, message by message.
  std::string description() {
    std::string text = "unit\n";
    each([&](Shard& shard) {
      text += fmt::format("message of {}\n", shard.flat().size());
      for (const auto& [name, parameter] : shard.flat().parameters())
        text += fmt::format("{} {}\n", name, fmt::join(parameter.sizes(), " "));
    });
    return text;
  }

  int64_t held_bytes() {
    int64_t bytes = 0;
    each([&](Shard& shard) { bytes += static_cast<int64_t>(shard.own().nbytes()); });
    return bytes;
  }
  bool is_trained() const { return !trained_.empty(); }
  bool is_here() const { return is_here_; }
  std::vector<Shard>& trained() { return trained_; }

  void start_fetch() {
    if (is_here_) return;
    is_here_ = true;
    each([](Shard& shard) { shard.start_fetch(); });
  }
  void end_fetch() {
    each([](Shard& shard) { shard.end_fetch(); });
  }
  void release() {
    if (!is_here_) return;
    end_fetch();
    each([](Shard& shard) { shard.release(); });
    is_here_ = false;
  }

 private:
  template <class F>
  void each(F f) {
    for (auto* shards : {&frozen_, &trained_})
      for (Shard& shard : *shards) f(shard);
  }

  std::vector<Shard> frozen_, trained_;
  bool is_here_ = false;
};

// Fetches units as they are used, and ahead of it the one that followed last time. What is fetched ahead depends on the
// order of use alone, which is every rank's.
class UnitScheduler {
 public:
  enum class Pass { kForward, kBackward };

  void use(Unit& unit, Pass pass) {
    if (pass != pass_) last_ = nullptr;
    pass_ = pass;
    unit.start_fetch();
    unit.end_fetch();
    auto& next = next_[static_cast<size_t>(pass)];
    if (last_) next[last_] = &unit;
    last_ = &unit;
    if (const auto found = next.find(&unit); found != next.end()) {
      if (!found->second->is_here()) ahead_ = found->second;
      found->second->start_fetch();
    }
  }

  // One reduction is under way at most: its buffers are as large as the unit.
  void reduce(Unit& unit) {
    end_reduction();
    for (Shard& shard : unit.trained()) shard.start_reduction();
    reduced_ = &unit;
  }
  void end_reduction() {
    if (reduced_)
      for (Shard& shard : reduced_->trained()) shard.end_reduction();
    reduced_ = nullptr;
  }

  // What was fetched ahead and not used.
  void rest() {
    if (ahead_) ahead_->release();
    ahead_ = last_ = nullptr;
  }

 private:
  Pass pass_ = Pass::kForward;
  Unit *last_ = nullptr, *ahead_ = nullptr, *reduced_ = nullptr;
  std::unordered_map<Unit*, Unit*> next_[2];
};

// Passes an activation on; in the backward pass calls back when its gradient is there. `anchor` makes it part of the
// graph where the activation itself needs no gradient.
class Edge : public torch::autograd::Function<Edge> {
 public:
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& x,
                               const torch::Tensor& /*anchor*/, std::function<void()>* at_gradient) {
    context->saved_data["at_gradient"] = reinterpret_cast<int64_t>(at_gradient);
    return x.view_as(x);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    (*reinterpret_cast<std::function<void()>*>(context->saved_data["at_gradient"].toInt()))();
    return {gradients[0], {}, {}};
  }
};

// Has a block's unit fetched for its forward pass and again for its backward pass, whose gradients then leave.
class FetchedBlock final : public BlockWrapper {
 public:
  FetchedBlock(Unit& unit, UnitScheduler& scheduler, const torch::Tensor& anchor)
      : unit_(unit), scheduler_(scheduler), anchor_(anchor) {
    before_backward_ = [this] { scheduler_.use(unit_, UnitScheduler::Pass::kBackward); };
    after_backward_ = [this] {
      if (unit_.is_trained()) scheduler_.reduce(unit_);
      unit_.release();
    };
  }

  torch::Tensor run(const torch::Tensor& x, const Forward& forward) override {
    scheduler_.use(unit_, UnitScheduler::Pass::kForward);
    const bool goes_back = torch::GradMode::is_enabled() && (unit_.is_trained() || x.requires_grad());
    torch::Tensor out = forward(goes_back ? Edge::apply(x, anchor_, &after_backward_) : x);
    if (goes_back) out = Edge::apply(out, anchor_, &before_backward_);
    unit_.release();
    return out;
  }

 private:
  Unit& unit_;
  UnitScheduler& scheduler_;
  torch::Tensor anchor_;
  std::function<void()> before_backward_, after_backward_;
};

class Fsdp final : public DataParallel {
 public:
  Fsdp(torch::nn::Module& module, torch::Device device, std::shared_ptr<Communicator> ranks,
       std::optional<torch::ScalarType> autocast)
      : ranks_(std::move(ranks)), anchor_(torch::zeros({}, device).requires_grad_()) {
    std::unordered_set<const c10::TensorImpl*> taken;
    for (const auto& item : module.named_modules("", /*include_self=*/true)) {
      auto* block = dynamic_cast<Block*>(item.value().get());
      if (block) add(*item.value(), item.key(), {device, autocast}, taken, block);
    }
    add(module, "", {device, std::nullopt}, taken, nullptr);
    module.to(device);  // buffers; the parameters are there already
    for (const auto& unit : units_)
      for (Shard& shard : unit->trained())
        for (Piece& piece : shard.flat().pieces(shard.own(), ranks_->rank())) pieces_.push_back(std::move(piece));
  }

  bool is_shared() const override { return ranks_->world() > 1; }

  std::string order() const override {
    std::string text;
    for (const auto& unit : units_) text += unit->description();
    return text;
  }

  int64_t held_bytes() const override {
    int64_t bytes = 0;
    for (const auto& unit : units_) bytes += unit->held_bytes();
    return bytes;
  }
  void enter() override {
    root().start_fetch();
    root().end_fetch();
  }
  void leave() override {
    scheduler_.rest();
    root().release();
  }

  void clear_gradients() override {
    each_trained([](Shard& shard) { shard.clear_gradient(); });
    for (Piece& piece : pieces_) piece.values.mutable_grad() = torch::Tensor();
  }

  void finish() override {
    scheduler_.reduce(root());
    scheduler_.end_reduction();
    size_t next = 0;
    each_trained([&](Shard& shard) {
      shard.need_gradient();
      for (const Piece& from : shard.flat().pieces(shard.gradient(), ranks_->rank()))
        pieces_[next++].values.mutable_grad() = from.values.detach();
    });
  }

  NamedParameters host_values() override {
    NamedParameters values;
    each_trained([&](Shard& shard) {
      torch::Tensor whole = torch::empty({shard.flat().size()}, shard.own().options());
      ranks_->start_gather(whole, shard.own())->wait();
      if (ranks_->rank() != 0) return;
      for (size_t i = 0; i < shard.flat().parameters().size(); ++i)
        values.emplace_back(shard.flat().parameters()[i].first, host_copy(shard.flat().place(whole, i)));
    });
    return values;
  }

 private:
  Unit& root() { return *units_.back(); }

  template <class F>
  void each_trained(F f) {
    for (const auto& unit : units_)
      for (Shard& shard : unit->trained()) f(shard);
  }

  // A unit of what is below a module and in no unit yet.
  struct Target {
    torch::Device device;
    std::optional<torch::ScalarType> autocast;
  };
  void add(torch::nn::Module& module, const std::string& path, const Target& target,
           std::unordered_set<const c10::TensorImpl*>& taken, Block* block) {
    NamedParameters parameters;
    for (const auto& item : module.named_parameters())
      if (taken.insert(item.value().unsafeGetTensorImpl()).second)
        parameters.emplace_back(path.empty() ? item.key() : path + "." + item.key(), item.value());
    units_.push_back(std::make_unique<Unit>(parameters, target.device, *ranks_, target.autocast));
    if (block) block->wrap(std::make_shared<FetchedBlock>(*units_.back(), scheduler_, anchor_));
  }

  std::shared_ptr<Communicator> ranks_;
  torch::Tensor anchor_;
  UnitScheduler scheduler_;
  std::vector<std::unique_ptr<Unit>> units_;  // the root is the last one
};

}  // namespace

std::unique_ptr<DataParallel> make_fsdp(torch::nn::Module& module, torch::Device device,
                                        const std::shared_ptr<Communicator>& ranks,
                                        std::optional<torch::ScalarType> autocast) {
  return std::make_unique<Fsdp>(module, device, ranks, autocast);
}

}  // namespace usam::dist
