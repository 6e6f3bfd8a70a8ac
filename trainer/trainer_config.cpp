#include "trainer/trainer_config.h"

#include <fmt/format.h>

#include "src/base/text.h"
#include "trainer/optimizer.h"
#include "trainer/schedule.h"

namespace usam {

void describe(Fields& f, BestConfig& c) {
  f("metric", c.metric, "loss, or the name of a term or metric of the evaluation, such as ASR/wer or tasks/error")
      .resumable();
  f.choice("mode", c.mode, {{"auto", Better::kAuto}, {"min", Better::kLower}, {"max", Better::kHigher}},
           "whether lower or higher is better; auto: lower, for the loss alone")
      .resumable();
  f.rule([&c] {
    if (c.mode != Better::kAuto || c.metric == "loss") return std::string();
    return fmt::format("say with 'mode: min' or 'mode: max' whether lower or higher '{}' is better.", c.metric);
  });
}

TrainerConfig::TrainerConfig()
    : optimizer{"adamw", std::make_shared<HeldConfig<AdamWConfig>>()},
      schedule{"constant", std::make_shared<HeldConfig<ConstantScheduleConfig>>()} {}

void describe(Fields& f, TrainerConfig& c) {
  f("max_steps", c.max_steps, "steps of the run; give this or epochs").at_least(1).resumable();
  f("epochs", c.epochs, "passes over the training data; give this or max_steps").at_least(1).resumable();
  f("accumulate", c.accumulate, "micro-batches of each rank that make a step").at_least(1);
  f.choice("precision", c.precision, {{"fp32", Precision::kFp32}, {"bf16", Precision::kBf16}},
           "arithmetic of the forward and backward pass; parameters stay fp32");
  f("max_grad_norm", c.max_grad_norm, "gradients are scaled down to this norm; 0: never").at_least(0);
  f("save_every", c.save_every, "steps between checkpoints").at_least(1).resumable();
  f("keep_last", c.keep_last, "newest checkpoints that are kept; 0: all").at_least(0).resumable();
  f("keep_best", c.keep_best,
    "checkpoints that are kept beside them: the newest of those that were the best when they were made")
      .at_least(1)
      .resumable();
  f("save_in_background", c.save_in_background,
    "training goes on while a checkpoint is written, from a copy of its values in host memory")
      .resumable();
  f("max_time", c.max_time, "time since the program's start after which it saves and ends with 75: 3h50m, 90m, 30s")
      .resumable()
      .check([&c] {
        const bool good = !c.max_time || parse_seconds(*c.max_time).value_or(0) > 0;
        return good ? std::string() : fmt::format("'{}' is no time; write 3h50m, 90m, 30s or seconds.", *c.max_time);
      });
  f("eval_every", c.eval_every, "steps between evaluations; there is one at the last step too").at_least(1).resumable();
  f("log_every", c.log_every, "steps between lines of metrics.jsonl").at_least(1).resumable();
  f("best", c.best, "what makes a checkpoint the best");
  f("max_bad_steps", c.max_bad_steps, "dropped steps in a row that stop the run").at_least(1).resumable();
  f("warm_with_longest", c.warm_with_longest,
    "before the first step, try whether the micro-batches that take most memory fit: forward and backward, no update")
      .resumable();
  f("recompute", c.recompute,
    "share of the blocks whose activations are not kept for the backward pass but computed again: less memory, more "
    "time")
      .at_least(0)
      .at_most(1)
      .resumable();
  f("recompute_to_gib", c.recompute_to_gib,
    "instead of 'recompute', GiB of a device's memory: before the first step, as few blocks are chosen as it takes for "
    "the tensors of the micro-batches that take most memory to stay below; 0: none are")
      .at_least(0)
      .resumable();
  f.part("optimizer", c.optimizer, optimizers().choices(), "how parameters are updated", "adamw");
  f.part("schedule", c.schedule, schedules().choices(), "the learning rate's course", "constant");
  f.rule([&c] {
    if (c.recompute > 0 && c.recompute_to_gib > 0)
      return std::string("give 'recompute' or 'recompute_to_gib', not both.");
    if (c.max_steps && c.epochs) return std::string("give 'max_steps' or 'epochs', not both.");
    return c.max_steps || c.epochs ? std::string() : std::string("'max_steps' or 'epochs' is missing.");
  });
}

}  // namespace usam
