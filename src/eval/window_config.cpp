#include "src/eval/window_config.h"

#include <fmt/format.h>

namespace usam::eval {

void describe(Fields& f, WindowConfig& c) {
  f("seconds", c.seconds, "length of a window; shorter recordings are answered whole").more_than(0).resumable();
  f("overlap", c.overlap, "seconds that a window shares with the one before it").at_least(0).resumable();
  f.rule([&c] {
    return c.overlap < c.seconds
               ? std::string()
               : fmt::format("`overlap` is {}, it must be below `seconds`, {}.", c.overlap, c.seconds);
  });
}

}  // namespace usam::eval
