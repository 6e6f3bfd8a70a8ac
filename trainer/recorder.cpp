#include "trainer/recorder.h"

namespace usam {
namespace {

// Returns the path of a file of the run after leaving out the lines beyond `step`.
std::string cut(const std::string& path, int64_t step) {
  io::cut_after(path, [step](const Json& line) { return line.at("step").get<int64_t>() <= step; });
  return path;
}

}  // namespace

Recorder::Recorder(const std::string& run, int64_t step)
    : lines_(cut(run + "/metrics.jsonl", step)), events_(run, step == 0 ? 0 : step + 1) {
  cut(run + "/bad_batches.jsonl", step);
}

void Recorder::step(const StepRecord& record) {
  Json line = {{"step", record.step}, {"loss", record.figures.loss}};
  for (const auto& [name, value] : record.figures.values) line[name] = value;
  line["lr"] = record.lr;
  line["grad_norm"] = record.gradient_norm;
  line["time"] = {{"seconds", record.seconds},
                  {"wait_seconds", record.wait_seconds},
                  {"audio_per_second", record.seconds > 0 ? record.audio_seconds / record.seconds : 0}};
  lines_.write(line);
  for (const auto& [name, value] : line.items())
    if (value.is_number() && name != "step") events_.scalar("train/" + name, record.step, value.get<double>());
  for (const auto& [name, value] : line["time"].items())
    events_.scalar("time/" + name, record.step, value.get<double>());
}

void Recorder::evaluation(int64_t step, const Figures& figures, double seconds) {
  Json parts = {{"loss", figures.loss}};
  for (const auto& [name, value] : figures.values) parts[name] = value;
  lines_.write({{"step", step}, {"eval", parts}, {"time", {{"seconds", seconds}}}});
  for (const auto& [name, value] : parts.items()) events_.scalar("eval/" + name, step, value.get<double>());
  events_.flush();
}

}  // namespace usam
