#pragma once
// The figures of metrics.json as tables.
#include <string>

#include "src/base/json.h"
#include "src/eval/html/markup.h"

namespace usam::eval::html {

// Every metric of every task with its interval, beside the majority baseline and the failures. `page`: where the tasks'
// sections stand, "" for this page.
Markup headline_table(const Json& tasks, const std::string& page = "");
// The leading metric of each task in each source; nothing where there is one source or none.
Markup source_table(const Json& report);
// What else metrics.json counts in a task: "substitutions 12 · deletions 3".
Markup counts_line(const Json& task);
// The areas of each tag, where the task has tags.
Markup tag_table(const Json& task);

}  // namespace usam::eval::html
