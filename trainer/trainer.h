#pragma once
// The loop that drives any recipe: steps, evaluations, checkpoints.
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/dist/communicator.h"
#include "src/dist/gradient_sum.h"
#include "trainer/agreement.h"
#include "trainer/batches.h"
#include "trainer/checkpoint.h"
#include "trainer/guard.h"
#include "trainer/optimizer.h"
#include "trainer/progress.h"
#include "trainer/recipe.h"
#include "trainer/recorder.h"
#include "trainer/schedule.h"
#include "trainer/trainer_config.h"

namespace usam {

// What the program hands over. The recipe is built, loaded and on its device.
struct TrainerParts {
  std::shared_ptr<Recipe> recipe;
  Batches train;
  std::optional<Batches> valid;  // without it nothing is evaluated and no checkpoint is the best
  std::shared_ptr<dist::Communicator> ranks = dist::single_rank();
  std::string run;          // the RUN folder
  std::string config_yaml;  // the resolved config, for RUN and its checkpoints
  uint64_t seed = 0;
  // More evaluation figures by name, of decoding for example, computed on every rank alike; may be empty.
  std::function<std::map<std::string, double>()> task_figures;
};

enum class Outcome { kFinished, kPreempted };  // exit codes 0 and 75

class Trainer {
 public:
  // Files appear only in run(). UserError: a training set without micro-batches.
  Trainer(const TrainerConfig& config, TrainerParts parts);

  // Continues from a checkpoint (see choose_resume). UserError: it is torn, does not fit the recipe, or its steps
  // cannot be shared among this number of ranks.
  void resume(const std::string& checkpoint);
  // Trains to the end, or until a signal asks to stop, and saves. TrainingFailed after too many bad steps.
  Outcome run();
  // The validation loss and its parts, over all ranks.
  Figures evaluate();

  const RunState& state() const { return state_; }
  int64_t total_steps() const { return total_; }

 private:
  StepRecord step();
  std::vector<data::Batch> fetch();
  Counts count(const std::vector<data::Batch>& batches);
  StepOutput forward(const data::Batch& batch);
  void backward(const torch::Tensor& loss, bool is_last);
  void drop(const StepRecord& record, const std::vector<data::Batch>& batches,
            const std::vector<torch::Tensor>& losses);
  void advance();
  int64_t place_in_step(size_t round) const;
  int64_t micro_batches_of_step() const;

  int64_t plan_steps() const;
  void record(const StepRecord& record);
  bool evaluate_and_compare();
  bool stop_requested();
  void save();
  void open_run();
  Agreement agreement() const;
  void at(const std::string& phase);
  void explain_failure(const std::exception& e);
  void on_first_rank(const std::function<void()>& work);
  bool is_first() const { return parts_.ranks->rank() == 0; }
  bool is_due(int64_t every) const { return state_.step % every == 0 || state_.step == total_; }

  TrainerConfig config_;
  TrainerParts parts_;
  std::shared_ptr<Optimizer> optimizer_;
  std::shared_ptr<Schedule> schedule_;
  io::NamedTensors saved_;                 // parameters and running statistics, as in model.safetensors
  std::vector<torch::Tensor> parameters_;  // all that is trained
  std::unique_ptr<dist::GradientSum> gradients_;
  torch::Device device_ = torch::kCPU;
  Guard guard_;
  Progress progress_;
  Pace pace_;
  std::unique_ptr<Recorder> recorder_;  // on the first rank, inside run()
  std::unique_ptr<BatchStream> stream_;
  std::vector<std::string> keys_under_way_;  // of the micro-batch being computed, for messages
  RunState state_;
  int64_t total_ = 0;
};

}  // namespace usam
