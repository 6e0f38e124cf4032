# packages: python3-nltk python3-psutil
import nltk
from nltk.stem import PorterStemmer
print(PorterStemmer().stem('running'), nltk.wordpunct_tokenize('Hi there.'), list(nltk.ngrams([1,2,3],2)))
try: nltk.word_tokenize('a b')
except LookupError: print('no data')
