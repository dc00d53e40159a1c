#!/usr/bin/env python3
"""Makes the tiny models with heads in this folder, as make_models.py the encoders (read that first).

    python3 tests/models/make_heads.py [NAME...]

Folders with a tokenizer.json have texts instead of ids in reference.jsonl: `text`, or `text` and `pair`. The tokenizers
are trained here on SENTENCES. Token classification has what the pipeline of transformers gives for each
aggregation_strategy as `none`, `simple`, `first`, `average`, `max`; its `start` and `end` count code points.
"""

import os
import sys
import warnings

import torch
import transformers as hf
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from fixture import classic, load, read_json, reference, save, texts, write_json, write_reference
from make_models import (BF16, F16, LENGTHS, bert_config, distilbert_config, modernbert_config, mpnet_config,
                         roberta_config, rows_of, xlm_roberta_config)

SENTENCES = """The harbour of Lisbon was full of ships when Maria arrived in the morning.
Pedro Alvares wrote a letter to the mayor of Antwerp about the price of salt.
Nobody in Zürich had seen such a large cloud over the lake before.
The museum in São Paulo keeps the notebooks of Ana and her brother João.
Rain fell on the roofs, and the market of Ghent closed early.
Ingrid Sørensen sailed from Bergen to Reykjavik with forty barrels of oil.
A small library on the hill lends books about birds, stars and bridges.
The engineers measured the bridge twice and found the same length both times.
She asked whether the train to Kraków stops in Brno or not.
Where does the river end? It ends near the old mill of Mr. Okonkwo.""".split("\n")

QUESTIONS = [("where is the mill", SENTENCES[9]), ("who sailed from Bergen?", SENTENCES[5]),
             ("who sailed from Bergen?", SENTENCES[6]), ("salt", "salt"), ("a", ""),
             ("the price of salt in Antwerp", SENTENCES[1]), ("birds, stars and bridges " * 4, "books " * 20)]

NAMES = ["Maria Okonkwo sailed from Lisbon to Brno.", "João", "the bridge", "Zürich, Kraków & São Paulo!",
         "In Reykjavik Ingrid Sørensen met Pedro; nobody else was there.", "Unbelievableness of Antwerp's harbourmaster",
         "x", "a mayor—of Ghent", SENTENCES[3]]


# ---- tokenizers ----

def word_pieces(size=200):
    """As BERT's: lower case, accents dropped, [CLS] a [SEP] b [SEP] with types 0 and 1."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(SENTENCES, trainers.WordPieceTrainer(vocab_size=size, special_tokens=special,
                                                                       show_progress=False))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tokenizer.decoder = decoders.WordPiece()
    names = dict(unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]")
    return tokenizer, names


def byte_pairs(size=340):
    """As RoBERTa's with add_prefix_space: <s> a </s></s> b </s>."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer.train_from_iterator(SENTENCES, trainers.BpeTrainer(
        vocab_size=size, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False))
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True,
                                                            add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer, dict(unk_token="<unk>", pad_token="<pad>", cls_token="<s>", sep_token="</s>",
                           mask_token="<mask>", bos_token="<s>", eos_token="</s>")


def unigrams(size=220):
    """As XLM-RoBERTa's."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    tokenizer.train_from_iterator(SENTENCES, trainers.UnigramTrainer(
        vocab_size=size, special_tokens=special, unk_token="<unk>", show_progress=False))
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return tokenizer, dict(unk_token="<unk>", pad_token="<pad>", cls_token="<s>", sep_token="</s>", bos_token="<s>",
                           eos_token="</s>")


def add_tokenizer(folder, made, types, longest=64):
    """tokenizer.json and tokenizer_config.json; returns the tokenizer as the folder has it."""
    tokenizer, names = made
    names = dict(names, model_input_names=["input_ids"] + ["token_type_ids"] * types + ["attention_mask"])
    hf.PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=longest, **names).save_pretrained(folder)
    path = os.path.join(folder, "tokenizer_config.json")
    values = read_json(path)
    values["tokenizer_class"] = "PreTrainedTokenizerFast"
    write_json(path, values)
    return hf.AutoTokenizer.from_pretrained(folder)


# ---- classification ----

THREE = dict(vocab_size=150, id2label={0: "negative", 1: "neutral", 2: "positive"})
FIVE = dict(vocab_size=150, id2label={0: "toxic", 1: "insult", 2: "spam", 3: "threat", 4: "other"},
            problem_type="multi_label_classification")


def classifier(auto, config, name, seed, dtype=F16, types=False, first=5, made=None):
    folder = save(auto(config), name, seed, dtype, classic)
    if made:
        add_tokenizer(folder, made, types)
    reference(folder, auto, rows_of(texts(seed, LENGTHS, config.vocab_size, first), types), "logits")


def make_bert_classify():
    classifier(hf.BertForSequenceClassification, bert_config(**THREE), "bert-classify", 41, types=True,
               made=word_pieces(THREE["vocab_size"]))


def make_bert_multilabel():
    classifier(hf.BertForSequenceClassification, bert_config(**FIVE), "bert-multilabel", 42)


def make_roberta_classify():
    classifier(hf.RobertaForSequenceClassification, roberta_config(**THREE), "roberta-classify", 43)


def make_xlm_roberta_classify():
    classifier(hf.XLMRobertaForSequenceClassification, xlm_roberta_config(**FIVE), "xlm-roberta-classify", 48)


def make_distilbert_classify():
    classifier(hf.DistilBertForSequenceClassification, distilbert_config(**THREE), "distilbert-classify", 44)


def make_mpnet_classify():
    classifier(hf.MPNetForSequenceClassification, mpnet_config(**THREE), "mpnet-classify", 45)


def make_modernbert_classify():
    classifier(hf.ModernBertForSequenceClassification, modernbert_config(**THREE), "modernbert-classify", 46)


def make_modernbert_classify_mean():
    config = modernbert_config(**FIVE, classifier_pooling="mean", classifier_bias=True, norm_bias=True)
    classifier(hf.ModernBertForSequenceClassification, config, "modernbert-classify-mean", 47, BF16)


# ---- rerankers ----

def reranker(auto, config, made, name, seed):
    """A score for each pair, as a cross-encoder gives it before the sigmoid; pairs are cut to the model's length."""
    folder = save(auto(config), name, seed, F16, classic)
    tokenizer, model, rows, tensors = add_tokenizer(folder, made, auto.base_model_prefix == "bert"), load(auto, folder), [], {}
    with torch.no_grad():
        for index, (text, pair) in enumerate(QUESTIONS):
            inputs = tokenizer(text, pair, truncation="longest_first", max_length=64, return_tensors="pt")
            tensors["%d.logits" % index] = model(**inputs).logits[0]
            row = {"text": text, "pair": pair, "input_ids": inputs["input_ids"][0].tolist()}
            if "token_type_ids" in inputs:
                row["token_type_ids"] = inputs["token_type_ids"][0].tolist()
            rows.append(row)
    write_reference(folder, rows, tensors)


def make_bert_rerank():
    reranker(hf.BertForSequenceClassification, bert_config(vocab_size=200, num_labels=1), word_pieces(), "bert-rerank",
             51)


def make_roberta_rerank():
    reranker(hf.RobertaForSequenceClassification, roberta_config(vocab_size=340, num_labels=1), byte_pairs(),
             "roberta-rerank", 52)


def make_xlm_roberta_rerank():
    made = unigrams()
    config = xlm_roberta_config(vocab_size=made[0].get_vocab_size(), num_labels=1)
    reranker(hf.XLMRobertaForSequenceClassification, config, made, "xlm-roberta-rerank", 53)


# ---- a label for each token ----

LABELS = dict(id2label={0: "O", 1: "B-PER", 2: "I-PER", 3: "B-LOC", 4: "I-LOC"})


def tagger(auto, config, made, name, seed):
    folder = save(auto(config), name, seed, F16, classic)
    tokenizer, model, rows, tensors = add_tokenizer(folder, made, auto.base_model_prefix == "bert"), load(auto, folder), [], {}
    for index, text in enumerate(NAMES):
        inputs = tokenizer(text, return_tensors="pt")
        row = {"text": text, "input_ids": inputs["input_ids"][0].tolist()}
        with torch.no_grad():
            tensors["%d.logits" % index] = model(inputs["input_ids"]).logits[0]
        for strategy in ("none", "simple", "first", "average", "max"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                pipe = hf.pipeline("token-classification", model=model, tokenizer=tokenizer,
                                   aggregation_strategy=strategy)
                row[strategy] = [{key: float(value) if key == "score" else value for key, value in found.items()}
                                 for found in pipe(text)]
        rows.append(row)
    write_reference(folder, rows, tensors)


def make_bert_tag():
    tagger(hf.BertForTokenClassification, bert_config(vocab_size=200, **LABELS), word_pieces(), "bert-tag", 97)


def make_roberta_tag():
    tagger(hf.RobertaForTokenClassification, roberta_config(vocab_size=340, **LABELS), byte_pairs(), "roberta-tag", 69)


def make_modernbert_tag():
    tagger(hf.ModernBertForTokenClassification, modernbert_config(vocab_size=340, **LABELS), byte_pairs(),
           "modernbert-tag", 63)


def make_distilbert_tag():
    tagger(hf.DistilBertForTokenClassification, distilbert_config(vocab_size=200, **LABELS), word_pieces(),
           "distilbert-tag", 64)


# ---- sparse ----

def splade(auto, config, name, seed, made=None):
    """`I.sparse` [vocabulary]: the largest log(1 + relu(logit)) over all tokens (Formal et al., SPLADE v2, max)."""
    folder = save(auto(config), name, seed, F16, classic)
    if made:
        add_tokenizer(folder, made, True)
    rows, model, tensors = rows_of(texts(seed, LENGTHS, config.vocab_size)), load(auto, folder), {}
    with torch.no_grad():
        for index, row in enumerate(rows):
            logits = model(torch.tensor([row["input_ids"]])).logits[0]
            tensors["%d.sparse" % index] = torch.log1p(torch.relu(logits)).amax(0)
    write_reference(folder, rows, tensors)


def make_bert_splade():
    splade(hf.BertForMaskedLM, bert_config(), "bert-splade", 71, word_pieces())


def make_distilbert_splade():
    splade(hf.DistilBertForMaskedLM, distilbert_config(), "distilbert-splade", 72)


def make_roberta_splade():
    splade(hf.RobertaForMaskedLM, roberta_config(), "roberta-splade", 73)


def make_xlm_roberta_splade():
    splade(hf.XLMRobertaForMaskedLM, xlm_roberta_config(), "xlm-roberta-splade", 74)


def make_mpnet_splade():
    splade(hf.MPNetForMaskedLM, mpnet_config(), "mpnet-splade", 75)


def make_modernbert_splade():
    splade(hf.ModernBertForMaskedLM, modernbert_config(), "modernbert-splade", 76)


def make_modernbert_splade_untied():
    """A table of its own behind the words' head, and biases all over."""
    config = modernbert_config(tie_word_embeddings=False, decoder_bias=True, classifier_bias=True, norm_bias=True,
                               classifier_activation="silu")
    splade(hf.ModernBertForMaskedLM, config, "modernbert-splade-untied", 77)


MODELS = {name[5:].replace("_", "-"): function for name, function in sorted(globals().items())
          if name.startswith("make_") and function.__module__ == __name__}


def main():
    for name in sys.argv[1:] or MODELS:
        MODELS[name]()
        print(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
