#include "src/eval/decoding_config.h"

#include <algorithm>

namespace usam::eval {

void describe(Fields& f, DecodingConfig& c) {
  f("beams", c.beams, "answers that are searched side by side; 1: the likeliest token each time")
      .at_least(1)
      .resumable();
  f("length_penalty", c.length_penalty, "beams are ranked by log-probability / tokens^length_penalty").resumable();
  f("repetition_penalty", c.repetition_penalty, "above 1: tokens that an answer holds are less likely to come again")
      .more_than(0)
      .resumable();
  f("temperature", c.temperature, "above 0: tokens are drawn; 1: as likely as the model has them")
      .at_least(0)
      .resumable();
  f("top_k", c.top_k, "only so many of the likeliest tokens are drawn; 0: any").at_least(0).resumable();
  f("top_p", c.top_p, "only the likeliest tokens that together are so probable are drawn")
      .more_than(0)
      .at_most(1)
      .resumable();
  f("min_new_tokens", c.min_new_tokens, "no answer ends before so many tokens").at_least(0).resumable();
  f("stop", c.stop, "texts that end an answer and are left out of it").resumable();
  f("seed", c.seed, "of the draws, which depend on it, on the sample's key and on nothing else")
      .at_least(0)
      .resumable();
  f.rule([&c]() -> std::string {
    if (c.beams > 1 && c.temperature > 0)
      return "`beams` search for the likeliest answer, `temperature` draws one: use one of them.";
    if (c.temperature == 0 && (c.top_k > 0 || c.top_p < 1))
      return "`top_k` and `top_p` limit what is drawn: they need a `temperature` above 0.";
    if (c.beams == 1 && c.length_penalty != 1) return "`length_penalty` ranks beams: it needs `beams` above 1.";
    if (std::ranges::count(c.stop, "") > 0) return "`stop` holds an empty text, which every answer begins with.";
    return "";
  });
}

}  // namespace usam::eval
