#include "trainer/recorder.h"

#include <utility>

#include "src/base/error.h"
#include "src/base/fs.h"
#include "src/base/log.h"
#include "trainer/prometheus.h"

namespace usam {
namespace {

// Of the names with a prefix: what follows it.
std::map<std::string, int64_t> part_of(const std::map<std::string, int64_t>& seen, const std::string& prefix) {
  std::map<std::string, int64_t> part;
  for (const auto& [name, count] : seen)
    if (name.starts_with(prefix)) part[name.substr(prefix.size())] = count;
  return part;
}

int64_t samples_of(const EpochRecord& record) {
  int64_t samples = 0;
  for (const auto& [task, count] : part_of(record.seen, "task/")) samples += count;
  return samples;
}

// Returns the path of a file of the run after leaving out the lines beyond a state.
std::string cut(const std::string& path, const RunState& state) {
  io::cut_after(path, [&](const Json& line) {
    const auto step = line.at("step").get<int64_t>();
    return step < state.step || (step == state.step && !(state.owes_evaluation && line.contains("eval")));
  });
  return path;
}

}  // namespace

std::string text_of(const EpochRecord& record) {
  std::string text = record.micro_batches == record.of
                         ? fmt::format("Epoch {} is over after {} micro-batches", record.epoch, record.of)
                         : fmt::format("Epoch {} ends with phase {} of the curriculum, after {} of {} micro-batches",
                                       record.epoch, record.phase + 1, record.micro_batches, record.of);
  text += fmt::format(": {} samples, {} skipped", samples_of(record), record.skipped);
  for (const char* kind : {"task", "source"}) {
    std::string parts;
    for (const auto& [name, count] : part_of(record.seen, std::string(kind) + "/"))
      parts += fmt::format("{}{} {}", parts.empty() ? "" : ", ", name, count);
    if (!parts.empty()) text += fmt::format("; by {}: {}", kind, parts);
  }
  return text + ".";
}

Json to_json(const EpochRecord& record) {
  return {{"number", record.epoch},
          {"phase", record.phase},
          {"micro_batches", record.micro_batches},
          {"of", record.of},
          {"samples", samples_of(record)},
          {"skipped", record.skipped},
          {"tasks", part_of(record.seen, "task/")},
          {"sources", part_of(record.seen, "source/")}};
}

Recorder::Recorder(const std::string& run, const RunState& state, const std::string& prometheus)
    : lines_(cut(run + "/metrics.jsonl", state)),
      events_(run, state.step + 1),  // hides what an earlier start of the run did and did not save
      run_(run),
      prometheus_(prometheus) {
  cut(run + "/bad_batches.jsonl", state);
}

void Recorder::step(const StepRecord& record) {
  if (!record.finite) {
    Json line = {{"step", record.step}, {"health", record.health}};
    if (record.ended_epoch) line["epoch"] = to_json(*record.ended_epoch);
    return write(line);
  }
  const Interval& interval = record.interval;
  Json line = {{"step", record.step}, {"loss", record.figures.loss}};
  for (const auto& [name, value] : record.figures.values) line[name] = value;
  line["lr"] = record.lr;
  line["grad_norm"] = record.gradient_norm;
  if (record.ended_epoch) line["epoch"] = to_json(*record.ended_epoch);
  if (!record.health.empty()) line["health"] = record.health;
  line["time"] = {{"seconds", record.seconds},
                  {"audio_per_second", record.seconds > 0 ? record.audio_seconds / record.seconds : 0},
                  {"tokens_per_second", record.seconds > 0 ? record.tokens / record.seconds : 0},
                  {"data", interval.data},
                  {"compute", interval.compute},
                  {"communication", interval.communication},
                  {"slowest_rank", interval.slowest},
                  {"slowest_seconds", interval.slowest_seconds},
                  {"spread", interval.spread},
                  {"sent_bytes", interval.sent},
                  {"peak_memory", interval.memory.host},
                  {"peak_device_memory", interval.memory.device}};
  if (record.is_starved) line["time"]["starved"] = 1;
  write(line);
}

void Recorder::write(const Json& line) {
  const int64_t step = line.at("step");
  try_to([&] { lines_.write(line); });
  try_to([&] {
    for (const auto& [name, value] : line.items())
      if (value.is_number() && name != "step") events_.scalar("train/" + name, step, value.get<double>());
    for (const char* part : {"time", "health"}) {
      const Json values = line.value(part, Json::object());
      for (const auto& [name, value] : values.items())
        events_.scalar(std::string(part) + "/" + name, step, value.get<double>());
    }
  });
  show(line);
}

// Keeps what the line does not say: the last evaluation, the troubles so far.
void Recorder::show(const Json& line) {
  if (prometheus_.empty()) return;
  for (const auto& [name, value] : line.items())
    if (name != "health") shown_[name] = value;
  const Json wrong = line.value("health", Json::object());
  for (const auto& [name, count] : wrong.items()) {
    Json& total = shown_["health"][name];
    total = (total.is_null() ? 0 : total.get<int64_t>()) + count.get<int64_t>();
  }
  try_to([&] { write_file_atomically(prometheus_, prometheus_text(run_, shown_)); });
}

void Recorder::evaluation(int64_t step, const Figures& figures, double seconds) {
  Json parts = {{"loss", figures.loss}};
  for (const auto& [name, value] : figures.values) parts[name] = value;
  try_to([&] { lines_.write({{"step", step}, {"eval", parts}, {"time", {{"seconds", seconds}}}}); });
  show({{"step", step}, {"eval", parts}});
  try_to([&] {
    for (const auto& [name, value] : parts.items()) events_.scalar("eval/" + name, step, value.get<double>());
    events_.flush();
  });
}

void Recorder::events(const std::function<void(io::EventWriter&)>& write) {
  try_to([&] { write(events_); });
}

std::string Recorder::flush() {
  try_to([this] { events_.flush(); });
  try {
    lines_.sync();
    has_warned_ = false;
    return "";
  } catch (const UserError& e) {
    return e.what();
  }
}

void Recorder::try_to(const std::function<void()>& write) {
  try {
    write();
  } catch (const UserError& e) {
    if (!std::exchange(has_warned_, true)) log::warn("{} It is written later; training goes on.", e.what());
  }
}

}  // namespace usam
