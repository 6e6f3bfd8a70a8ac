#pragma once
// What labels are like: one by one, and those of a task beside each other.
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "data/source.h"

namespace usam::inspect {

// What is odd about a row's labels and prompt, as sentences without the row's name.
std::vector<std::string> label_oddities(const data::Row& row);

// Labels of one task and language together, a few bytes a row.
class LabelSums {
 public:
  // `seconds` <= 0: not known.
  void add(int64_t row, const std::string& label, double seconds);

  // A row whose label is far too long or short for its clip, beside the others.
  struct PaceOutlier {
    int64_t row;
    double pace, median;  // characters a second
  };
  // Where labels follow their clips' lengths (twenty rows and more, Spearman's correlation 0.5), the rows more
  // than six deviations (1.4826 times the median one, 0.25 at least) from the median of the pace's logarithm.
  std::vector<PaceOutlier> pace_outliers() const;
  std::vector<float> paces() const;  // of all rows with a label and a length

  int64_t rows() const { return style_.labels; }
  int64_t different() const { return static_cast<int64_t>(counts_.size()); }
  // The commonest label and how often it stands; "" of none. Only the labels that came first are counted by their text.
  std::pair<std::string, int64_t> commonest() const;

  struct Style {
    int64_t labels = 0, with_capitals = 0, with_punctuation = 0;
  };
  const Style& style() const { return style_; }

 private:
  struct Paced {
    int64_t row;
    float points, seconds;
  };
  struct Counted {
    std::string text;
    int64_t count = 0;
  };
  std::vector<Paced> paced_;
  std::map<uint64_t, Counted> counts_;  // by the label's hash
  Style style_;
};

}  // namespace usam::inspect
