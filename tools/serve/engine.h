#pragma once
// The one thread that runs the model: questions of all clients go through it side by side.
#include <chrono>
#include <condition_variable>
#include <deque>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "recipes/answers.h"
#include "src/decode/session.h"
#include "src/decode/text_stream.h"
#include "tools/generate/clips.h"
#include "tools/serve/counters.h"

namespace usam::serve {

// A question on its way: the model thread tells, a client's thread listens. The client's thread may give it up at any
// time.
class Ticket {
 public:
  // What was told since the last call, which waits for news for `limit` at most. At the end `is_over`; an exception of
  // the model's is thrown then.
  struct News {
    std::string text;  // streamed questions alone
    bool is_over = false;
  };
  News wait(std::chrono::milliseconds limit);
  void give_up() { is_given_up_ = true; }

  // Once it is over.
  const std::vector<decode::Hypothesis>& hypotheses() const { return hypotheses_; }
  int64_t prompt_tokens() const { return prompt_tokens_; }

 private:
  friend class Engine;
  void tell(const std::string& text);
  void finish(std::vector<decode::Hypothesis> hypotheses);
  void fail(std::exception_ptr error);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::string text_;
  bool is_over_ = false;
  std::exception_ptr error_;
  std::vector<decode::Hypothesis> hypotheses_;
  int64_t prompt_tokens_ = 0;
  std::atomic<bool> is_given_up_ = false;
};

struct Question {
  std::string key;  // names the draws
  data::Example example;
  std::shared_ptr<const decode::Options> options;
  bool is_streamed = false;
  std::shared_ptr<void> place;  // let go when the model has heard the question
};

// Rows that a question takes in each step.
inline int64_t rows_of(const decode::Options& options) {
  return std::max(options.beams, options.n_best);
}

class Engine {
 public:
  // At most `most_rows` go through the model in a step, or those of one question. All outlive the engine.
  Engine(recipes::Answers& answers, const Clips& clips, torch::Device device, int64_t most_rows, Counters& counters);
  // Questions under way are given up.
  ~Engine();

  std::shared_ptr<Ticket> ask(Question question);
  // How the clip was heard (Answers::explain).
  std::future<Json> explain(data::Example example);

 private:
  struct Going {
    Question question;
    std::shared_ptr<Ticket> ticket;
    std::unique_ptr<decode::TextStream> stream;
  };
  void run();
  std::vector<Going> take_new();
  void take_in(std::vector<Going> fresh);
  void drop_given_up();
  void step();
  void fail_all(std::exception_ptr error);

  recipes::Answers& answers_;
  const Clips& clips_;
  const torch::Device device_;
  const int64_t most_rows_;
  Counters& counters_;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_stopping_ = false;
  std::deque<Going> fresh_;
  std::deque<std::packaged_task<Json()>> explaining_;

  // The model thread's own.
  std::unique_ptr<decode::Session> session_;
  std::map<int64_t, Going> going_;
  int64_t last_id_ = 0, rows_ = 0;

  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace usam::serve
