#include "src/eval/coco.h"

#include <filesystem>

#include "src/base/error.h"
#include "src/base/fs.h"

namespace usam::eval {

void write_coco(const std::string& folder, const std::vector<Hypothesis>& hypotheses) {
  Json images = Json::array(), annotations = Json::array(), results = Json::array();
  const Hypothesis* first = nullptr;
  for (const Hypothesis& h : hypotheses) {
    if (!h.answer) continue;
    if (!first) first = &h;
    if (h.task != first->task)
      user_error("Captions are exported for one task, but the lines are of '{}' and '{}'; choose one with --task.",
                 first->task, h.task);
    const size_t image = images.size();
    images.push_back({{"id", image}, {"file_name", h.key}});
    for (const std::string& reference : h.references)
      annotations.push_back({{"id", annotations.size()}, {"image_id", image}, {"caption", reference}});
    results.push_back({{"image_id", image}, {"caption", *h.answer}});
  }
  if (!first) user_error("No line has \"ref\" and \"hyp\", which an export of captions needs.");
  const Json references = {{"info", {{"description", "references of usam-score"}}},
                           {"licenses", Json::array()},
                           {"type", "captions"},
                           {"images", images},
                           {"annotations", annotations}};
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) user_error("{}: the folder cannot be made: {}.", folder, error.message());
  write_file_atomically(folder + "/references.json", to_lines(references));
  write_file_atomically(folder + "/results.json", to_lines(results));
}

}  // namespace usam::eval
