#pragma once
// The loop that drives any recipe: steps, evaluations, checkpoints.
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/dist/communicator.h"
#include "src/dist/data_parallel.h"
#include "src/tensor/recompute.h"
#include "trainer/agreement.h"
#include "trainer/batches.h"
#include "trainer/checkpoint.h"
#include "trainer/guard.h"
#include "trainer/health.h"
#include "trainer/interval.h"
#include "trainer/optimizer.h"
#include "trainer/pieces.h"
#include "trainer/progress.h"
#include "trainer/rank_file.h"
#include "trainer/reach.h"
#include "trainer/recipe.h"
#include "trainer/recorder.h"
#include "trainer/saver.h"
#include "trainer/schedule.h"
#include "trainer/trainer_config.h"
#include "trainer/trial.h"

namespace usam {

// Writes events of a step.
using Drawing = std::function<void(io::EventWriter&, int64_t step)>;

// None where `stops` became true on a rank before they were complete. It is asked now and then, under fsdp by all ranks
// together.
using TaskFigures = std::optional<std::map<std::string, double>>;

// What the program hands over. The recipe is built and loaded, in host memory.
struct TrainerParts {
  std::shared_ptr<Recipe> recipe;
  Batches train;
  std::optional<Batches> valid;  // without it nothing is evaluated and no checkpoint is the best
  std::shared_ptr<dist::Communicator> ranks = dist::single_rank();
  dist::Strategy strategy = dist::Strategy::kDdp;
  // fsdp: what a rank computes, without effect, when its micro-batch has no samples, for the others need its weights.
  std::optional<data::Batch> stand_in;
  torch::Device device = torch::kCPU;
  std::string run;          // the RUN folder
  std::string config_yaml;  // the resolved config, for RUN and its checkpoints
  uint64_t seed = 0;
  std::string checkpoint;  // to go on from (see choose_resume); "": from the start
  // More evaluation figures by name, of decoding for example, the same on every rank; may be empty.
  std::function<TaskFigures(const std::function<bool()>& stops)> task_figures;
  // What TensorBoard shows of an evaluation beside its figures: computed on every rank alike, then drawn by the first
  // one; may be empty.
  std::function<Drawing(const Figures&)> pictures;
  std::string prometheus;  // the file for its text collector; "": none
  Json about;              // what RUN/starts.jsonl says of this start beside its place in the run; null: nothing
};

enum class Outcome { kFinished, kStopped };  // exit codes 0 and 75

class Trainer {
 public:
  // Files appear only in run(). UserError: a training set without micro-batches; a checkpoint that is torn, does not
  // fit the recipe, or whose steps cannot be shared among this number of ranks.
  Trainer(const TrainerConfig& config, TrainerParts parts);

  // Trains to the end, or until a signal asks to stop, and saves. TrainingFailed after too many bad steps.
  Outcome run();
  // The validation loss and its parts, over all ranks; none where a rank is asked to stop before they are complete.
  std::optional<Figures> evaluate();

  // Chooses, where the config asks for it, which blocks are recomputed; run() begins with it. Every rank calls it.
  // UserError where the micro-batches that take most memory do not fit even with all of them.
  void fit_memory();
  // Instead of run(): one step of this micro-batch alone, which changes the recipe's values; with `as_last` as a
  // step's last micro-batch, which finds the gradients of those before. UserError where it does not fit into memory.
  Trial probe(const data::Batch& batch, bool as_last);
  // What is held after a step.
  Held held() const;

  const RunState& state() const { return state_; }
  int64_t total_steps() const { return total_; }

 private:
  StepRecord step();
  std::vector<data::Batch> fetch();
  Counts count(const std::vector<data::Batch>& batches);
  StepOutput forward(const data::Batch& batch);
  void backward(const torch::Tensor& loss, bool is_last);
  double clip(const std::vector<ParameterGroup>& groups);  // the norm before
  void drop(const StepRecord& record, const std::vector<data::Batch>& batches,
            const std::vector<torch::Tensor>& losses);
  std::optional<EpochRecord> advance();
  int64_t place_in_step(size_t round) const;
  int64_t micro_batches_of_step() const;

  void restore_state(const std::string& checkpoint);
  std::vector<ParameterGroup> groups() const;        // the recipe's, of the pieces that this rank updates
  std::vector<TensorPiece> optimizer_state() const;  // live
  io::NamedTensors model_values();                   // as in model.safetensors; copies, on the first rank alone
  int64_t plan_steps() const;
  void record(StepRecord record);
  bool evaluate_and_compare();
  void warm();
  void pass(const data::Batch& batch, Trial& trial, bool as_last);
  void try_memory(const data::Batch& batch);
  Outcome go_on();
  bool is_time_over() const;
  bool is_asked_to_stop() const;
  bool stop_requested();
  std::optional<Figures> measure(bool& all_fail);
  void save(bool is_last);
  enum class Then { kTrains, kEnds, kFails };  // what follows a save
  void tell(const std::optional<EndedSave>& ended, Then then);
  void tidy_run();
  void open_run();
  Agreement agreement() const;
  void at(const std::string& phase, const std::vector<std::string>& keys = {}, int64_t slowness = 1);
  const torch::Tensor& see(const torch::Tensor& loss, bool is_last);
  std::optional<data::Batch> next_of(BatchStream& stream, const std::string& phase);
  void explain_failure(const std::exception& e);
  void on_first_rank(const std::function<void()>& work);
  bool is_first() const { return parts_.ranks->rank() == 0; }
  bool is_due(int64_t every) const { return state_.step % every == 0 || state_.step == total_; }

  TrainerConfig config_;
  TrainerParts parts_;
  io::NamedTensors trained_;
  std::vector<torch::Tensor> parameters_;       // the same
  std::optional<RecomputedBlocks> recomputed_;  // where some may be
  std::unique_ptr<dist::DataParallel> parallel_;
  std::map<std::string, const dist::Piece*> pieces_;  // by the name of the parameter
  std::shared_ptr<Optimizer> optimizer_;
  std::shared_ptr<Schedule> schedule_;
  Guard guard_;
  Health health_;
  Progress progress_;
  Pace pace_;
  IntervalClock interval_;
  std::unique_ptr<Reach> reach_;         // up to the first step's last backward pass
  std::unique_ptr<RankFile> rank_file_;  // inside run()
  std::unique_ptr<Recorder> recorder_;   // on the first rank, inside run()
  std::unique_ptr<BatchStream> stream_;
  bool has_told_stop_ = false;
  std::string phase_under_way_;              // for messages, as the two below
  std::vector<std::string> keys_under_way_;  // of the micro-batch being computed
  int64_t step_under_way_ = 0;               // or just ended, while a run evaluates and saves
  RunState state_;
  int64_t total_ = 0;
  std::optional<Best> saved_best_;  // the best state that a checkpoint holds
  std::unique_ptr<Saver> saver_;    // inside run()
};

}  // namespace usam
