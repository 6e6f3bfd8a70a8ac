#pragma once
// What an answer may be, beside any text.
#include <memory>
#include <string>
#include <vector>

#include "src/decode/options.h"
#include "src/text/tokenizer.h"

namespace usam::decode {

class Constraint {
 public:
  struct Next {
    Ids ids;               // tokens that may follow; never none unless the answer may end
    bool may_end = false;  // so may an end token
  };
  virtual ~Constraint() = default;
  // After these tokens, all of which were allowed.
  virtual Next next(const Ids& ids) const = 0;
};

// One of the labels, as the tokenizer writes them: a trie over their tokens. UserError where there are none, or one has
// no tokens.
std::shared_ptr<const Constraint> one_of(const std::vector<std::string>& labels, const Tokenizer& tokenizer);

// A decimal number: -12, 3.5. Its tokens may be digits one by one or many together. The tokenizer outlives the
// constraint. UserError where it has no digits.
std::shared_ptr<const Constraint> a_number(const Tokenizer& tokenizer);

}  // namespace usam::decode
