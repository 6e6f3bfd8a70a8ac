#include "tools/inspect/report/pictures.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <map>
#include <sstream>

#include "src/base/error.h"
#include "src/io/events.h"

namespace usam::inspect {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> event_files(const std::string& run) {
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(run))
    if (entry.path().filename().string().starts_with("events.out.tfevents.")) files.push_back(entry.path().string());
  std::ranges::sort(files);  // their names begin with the time
  return files;
}

// The first step that a file holds; 0 of a run from the start.
int64_t first_step(const std::string& file) {
  int64_t step = 0, seen = 0;
  io::read_events(file, [&](io::Event&& event) {
    if (event.kind == io::Event::Kind::kResume) step = event.step;
    return ++seen < 2;  // the version, then perhaps that
  });
  return step;
}

// The cells of a row of a Markdown table as recipes/pictures.cpp writes it.
std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  std::string cell;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line.compare(i, 2, "\\|") == 0) {
      cell += line[++i];
    } else if (line.compare(i, 4, "&lt;") == 0) {
      cell += '<';
      i += 3;
    } else if (line[i] == '|') {
      cells.push_back(cell);
      cell.clear();
    } else {
      cell += line[i];
    }
  }
  for (std::string& one : cells) {
    if (one.starts_with(' ')) one.erase(0, 1);
    if (one.ends_with(' ')) one.pop_back();
  }
  if (!cells.empty()) cells.erase(cells.begin());  // what stands before the first bar
  return cells;
}

// Puts together what the events say of each sample.
class Gallery {
 public:
  void see(io::Event&& event) {
    using Kind = io::Event::Kind;
    if (event.kind == Kind::kText && event.tag == "tables/answers") add_answers(event.bytes, event.step);
    if (event.kind == Kind::kImage && event.tag.starts_with("masks/")) {
      ShownSample& shown = sample(event.tag.substr(6));
      shown.step = event.step;
      shown.mask = std::move(event.bytes);
    }
    if (event.kind == Kind::kSound && event.tag.starts_with("sounds/"))
      sample(event.tag.substr(7)).sound = std::move(event.bytes);
  }
  std::vector<ShownSample> take() { return std::move(samples_); }

 private:
  ShownSample& sample(const std::string& key) {
    const auto [found, is_new] = places_.try_emplace(key, samples_.size());
    if (is_new) samples_.emplace_back().key = key;
    return samples_[found->second];
  }
  void add_answers(const std::string& table, int64_t step) {
    std::istringstream lines(table);
    int64_t number = 0;
    for (std::string line; std::getline(lines, line);) {
      const auto cells = cells_of(line);
      if (++number <= 2 || cells.size() != 4) continue;  // its head
      ShownSample& shown = sample(cells[0]);
      shown.task = cells[1];
      shown.label = cells[2];
      shown.answer = cells[3];
      shown.step = step;
      shown.answers.emplace_back(step, cells[3]);
    }
  }

  std::vector<ShownSample> samples_;
  std::map<std::string, size_t> places_;
};

}  // namespace

Pictures read_pictures(const std::string& run) {
  const auto files = event_files(run);
  // What a later file begins with again is not valid in the earlier ones.
  std::vector<int64_t> firsts, ends(files.size());
  for (const auto& file : files) firsts.push_back(first_step(file));
  int64_t end = std::numeric_limits<int64_t>::max();
  for (size_t i = files.size(); i-- > 0;) {
    ends[i] = end;
    end = std::min(end, firsts[i]);
  }
  Pictures pictures;
  Gallery gallery;
  for (size_t i = 0; i < files.size(); ++i) {
    Stretch stretch{0, 0, firsts[i]};
    const bool is_whole = io::read_events(files[i], [&](io::Event&& event) {
      if (stretch.begin == 0) stretch.begin = event.time;
      stretch.end = event.time;
      if (event.step < ends[i]) gallery.see(std::move(event));
      return true;
    });
    if (!is_whole)
      pictures.notes.push_back(
          fmt::format("{}: the end is torn: it is being written, or was when the run ended.", files[i]));
    if (stretch.begin > 0) pictures.stretches.push_back(stretch);
  }
  pictures.samples = gallery.take();
  return pictures;
}

}  // namespace usam::inspect
