// M mel bands, T frames, H height, W width.
#include "recipes/pictures.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "recipes/decoding.h"
#include "recipes/evaluation.h"
#include "recipes/report/clip.h"
#include "recipes/subset.h"
#include "src/base/error.h"
#include "src/base/log.h"

namespace usam::recipes {
namespace {

constexpr int64_t kCell = 32;  // pixels of a router's weight

// The first rows of the tasks, one of each task in turn.
std::vector<int64_t> chosen_rows(const data::Source& source, int64_t count) {
  constexpr int64_t kLookedAt = 1000;
  std::map<std::string, std::vector<int64_t>> rows;
  for (int64_t i = 0; i < std::min(kLookedAt, source.size()); ++i) rows[source.row(i).task].push_back(i);
  std::vector<int64_t> chosen;
  for (size_t turn = 0; std::ssize(chosen) < std::min({count, kLookedAt, source.size()}); ++turn)
    for (const auto& [task, of_task] : rows)
      if (turn < of_task.size() && std::ssize(chosen) < count) chosen.push_back(of_task[turn]);
  return chosen;
}

// A text on one line of a Markdown table.
std::string cell(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '\n' ? " " : c == '|' ? "\\|" : c == '<' ? "&lt;" : std::string(1, c);
  return out;
}

std::vector<std::string> split_name(const std::string& name) {
  const auto last = name.rfind('/');
  return {name.substr(0, last), name.substr(last + 1)};
}

// Rows of tasks, columns of experts: router/TASK/EXPERT of the figures.
void draw_router(const Figures& figures, io::EventWriter& events, int64_t step) {
  std::map<std::string, std::vector<double>> weights;
  for (const auto& [name, value] : figures.values) {
    if (!name.starts_with("router/")) continue;
    const auto parts = split_name(name.substr(7));
    auto& row = weights[parts[0]];
    const auto expert = static_cast<size_t>(std::stoll(parts[1]));
    row.resize(std::max(row.size(), expert + 1));
    row[expert] = value;
  }
  if (weights.empty()) return;
  std::string table = "| task |", rule = "|---|";
  std::vector<torch::Tensor> rows;
  const size_t experts = weights.begin()->second.size();
  for (size_t e = 0; e < experts; ++e) table += fmt::format(" expert {} |", e), rule += "---|";
  table += "\n" + rule + "\n";
  for (auto& [task, row] : weights) {
    row.resize(experts);
    table += fmt::format("| {} |", cell(task));
    for (const double weight : row) table += fmt::format(" {:.3f} |", weight);
    table += "\n";
    rows.push_back(torch::tensor(row, torch::kFloat32));
  }
  events.text("tables/router", step, table);
  const auto grey_HW = (torch::stack(rows).clamp(0, 1) * 255).round().to(torch::kByte);
  events.image("router", step, grey_HW.repeat_interleave(kCell, 0).repeat_interleave(kCell, 1));
}

struct Shown {
  data::Row row;
  Answer answer;
};

// A tag belongs to one of TensorBoard's plug-ins: what it is first used for.
class Pictures {
 public:
  Pictures(Recipe& recipe, const RunConfig& config, const std::shared_ptr<const data::Source>& valid)
      : recipe_(recipe), config_(decoding_config(config)), candidates_(candidates_of(*valid, config.evaluate, recipe)) {
    config_.data.max_skipped = 1;
    const auto source = std::make_shared<Subset>(valid, chosen_rows(*valid, config.run.samples));
    skips_ = std::make_shared<data::SkipList>(config_.data.max_skipped, nullptr);
    data_ = make_data_set(source, recipe, config_, false, skips_);
  }

  Drawing operator()(const Figures& figures) {
    const bool explains = dynamic_cast<Answers*>(&recipe_) != nullptr;
    Decoder decoder(recipe_, config_, {candidates_, explains});
    auto share = decoder.decode(data_, *skips_, *dist::single_rank());
    std::sort(share.answers.begin(), share.answers.end(), [](const auto& a, const auto& b) { return a.row < b.row; });
    std::vector<Shown> shown;
    for (Answer& answer : share.answers) shown.push_back({data_->source().row(answer.row), std::move(answer)});
    return [this, shown = std::move(shown), figures](io::EventWriter& events, int64_t step) {
      draw_router(figures, events, step);
      draw_samples(shown, events, step);
      events.flush();
    };
  }

 private:
  void draw_samples(const std::vector<Shown>& shown, io::EventWriter& events, int64_t step) {
    std::string table = "| key | task | label | answer |\n|---|---|---|---|\n";
    for (const auto& [row, answer] : shown) {
      table += fmt::format("| {} | {} | {} | {} |\n", cell(row.key), cell(row.task),
                           cell(row.references.empty() ? "" : row.references.front()), cell(answer.text.value_or("")));
      const auto clip = read_shown(row);
      if (!has_played_)
        events.audio("sounds/" + row.key, step,
                     {wav_bytes(clip.samples, kShownRate), static_cast<double>(kShownRate), clip.samples.numel()});
      events.image("masks/" + row.key, step, masked_spectrogram(clip, answer.explained));
    }
    events.text("tables/answers", step, table);
    has_played_ = true;
  }

  Recipe& recipe_;
  RunConfig config_;
  Candidates candidates_;
  std::shared_ptr<data::SkipList> skips_;
  std::shared_ptr<const data::DataSet> data_;
  bool has_played_ = false;
};

}  // namespace

std::function<Drawing(const Figures&)> make_pictures(Recipe& recipe, const RunConfig& config,
                                                     std::shared_ptr<const data::Source> valid) {
  if (config.run.samples == 0) return {};
  // Made when they are first asked for: a run that never evaluates reads nothing for them.
  auto pictures = std::make_shared<std::unique_ptr<Pictures>>();
  return [&recipe, &config, valid = std::move(valid), pictures](const Figures& figures) {
    if (!*pictures) *pictures = std::make_unique<Pictures>(recipe, config, valid);
    return (**pictures)(figures);
  };
}

}  // namespace usam::recipes
