#pragma once
// How a sample was heard.
#include <string>

#include "src/base/json.h"
#include "src/eval/html/markup.h"

namespace usam::eval::html {

// What is known of a sample beside its line in hypotheses.jsonl; each part may be absent.
struct Heard {
  std::string audio;        // where an <audio> element finds the clip: a data: URI or a link
  std::string spectrogram;  // a grey PNG, time to the right, low frequencies below
  double seconds = 0;       // that it spans
  Json explained;           // Answers::explain: "seconds", and "kept" and "scores" a token, "gates" an expert
  std::string note;         // what a reader should know of the above
};

// A player, the spectrogram with the dropped frames shaded, each frame's significance below, and the router's weights.
// Nothing where nothing is known.
Markup heard_figure(const Heard& heard);

}  // namespace usam::eval::html
