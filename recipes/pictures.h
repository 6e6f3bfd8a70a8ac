#pragma once
// What TensorBoard shows of an evaluation beside its figures.
#include <functional>
#include <memory>

#include "recipes/run.h"
#include "trainer/trainer.h"

namespace usam::recipes {

// Of some samples of data.valid, of every task in turn: what the model answers as a text table, the spectrogram with
// the frames that the contrastive loss drops in red and the scores below it, and, once, the sound; and the router's
// weights by task as a table and an image. Every rank computes the same. recipe and config outlive the function; empty
// where run.samples is 0.
std::function<Drawing(const Figures&)> make_pictures(Recipe& recipe, const RunConfig& config,
                                                     std::shared_ptr<const data::Source> valid);

}  // namespace usam::recipes
