#include "recipes/report/files.h"

#include <filesystem>

#include "recipes/report/report.h"
#include "src/base/fs.h"
#include "src/base/machine.h"
#include "src/base/program.h"
#include "src/eval/report.h"

namespace usam::recipes {
namespace {

std::string json_lines(const std::vector<Json>& objects) {
  std::string text;
  for (const auto& object : objects) text += to_line(object) + "\n";
  return text;
}

}  // namespace

Json write_evaluation(Recipe& recipe, const AnsweredSet& answered, const RunConfig& config, const std::string& output,
                      const Origin& origin) {
  const Json metrics = eval::report(answered.hypotheses, eval::score_options(config.evaluate));
  eval::write_hypotheses(output + "/hypotheses.jsonl", answered.hypotheses);
  if (!answered.explained.empty()) write_file_atomically(output + "/explained.jsonl", json_lines(answered.explained));
  write_file_atomically(output + "/metrics.json", to_lines(metrics));
  const std::filesystem::path checkpoint = origin.checkpoint;
  const std::string title = checkpoint.parent_path().filename().string() + " · " + checkpoint.filename().string();
  write_report(recipe, answered, config,
               {metrics,
                output,
                title,
                {{"checkpoint", origin.checkpoint},
                 {"its hash", origin.hashes.at("the checkpoint")},
                 {"config's hash", origin.hashes.at("the config")},
                 {"test sets' hash", origin.hashes.at("the test sets")},
                 {"program", version()},
                 {"evaluated", utc_time()}}});
  return metrics;
}

}  // namespace usam::recipes
